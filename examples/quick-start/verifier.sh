npm run akashi -- start --development                # stays: http://localhost:4300
npm run akashi -- tenant add bank --name "Aoba Bank" https://bank.example --development   # prints an API key
npm run akashi -- operator add bank --name "Sato" --development                           # prints an operator's id
npm run akashi -- operator link bank "$OPERATOR" --development                            # prints a sign-in token
