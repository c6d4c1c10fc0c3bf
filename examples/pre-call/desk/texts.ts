import type { Language } from '../language.ts';

const ja = {
  title: 'オペレーター画面',
  tenants: { aoba: 'あおば銀行' } as Readonly<Record<string, string>>,
  language: 'English',

  // the page with both
  sideTitle: 'Akashi の動作例',
  sideLead:
    '電話の本人確認を、暗証番号も口座番号も見ずに済ませます。左がお客さまの端末、右が担当者の画面です。',
  sidePhone: 'お客さまの端末',
  sidePhoneText: 'お客さまを選んで登録すると、依頼がここに届きます。',
  sideDesk: '担当者の画面',
  sideDeskText: 'お客さま番号を選んで確認を始め、表示された6桁の番号を端末に入力してください。',
  sideOpenAlone: '別のタブで開く',
  sideSignIn: '担当者のログインをやり直す',

  // signing in
  signInTitle: '担当者のログイン',
  signInText: '管理者から受け取った一度だけ使えるリンクを開くか、ここに貼り付けてください。',
  signInLink: 'ログイン用のリンク',
  signIn: 'ログイン',
  signInRefused: 'このリンクは使用済みか、期限が切れています。新しいリンクを受け取ってください。',
  sessionEnded: 'しばらく操作がなかったため、ログアウトしました。新しいリンクでログインしてください。',
  signedInAs: (name: string) => `${name} としてログイン中`,
  signOut: 'ログアウト',
  opening: '準備しています',
  tryAgain: 'もう一度試す',

  // starting
  startTitle: 'この通話',
  subject: 'お客さま番号',
  subjectHint: '例',
  policy: '確認の内容',
  purpose: 'ご用件',
  direction: 'お電話',
  inbound: 'お客さまから',
  outbound: 'こちらから',
  withTransaction: 'お取引を添える',
  amount: '金額（円）',
  payee: 'お相手',
  start: '確認を始める',
  facts: { pin: '暗証番号', account: '口座', passkey: 'パスキー' },

  // claiming
  claimTitle: '事前確認番号を受け付ける',
  claimText: 'お電話の前に確認を済ませたお客さまから番号をお聞きし、上のお客さま番号とご用件で照会します。',
  claimCode: '6桁の番号',
  claim: '照会する',
  claimRefused: 'この番号は受け付けられません。お客さま番号・ご用件・番号をお確かめください。',

  // the verification in hand
  idleTitle: '進行中の確認はありません',
  idleText: '確認を始めると、お客さまに伝える6桁の番号がここに表示されます。',
  speak: 'この番号をお客さまにお伝えください',
  codeDigits: '確認番号',
  timeLeft: '残り',
  cancel: '確認を取りやめる',
  states: {
    waiting: 'お客さまの端末の応答を待っています',
    later: 'お客さまが「あとで」を選びました',
    accepted: 'お客さまが端末で確認を進めています',
  },
  steps: { started: '開始', accepted: 'お客さまが応答', decided: '結果' },
  verdicts: {
    passed: '確認済み',
    failed: '確認できず',
    declined: 'お客さまが断りました',
    reported: 'お客さまが通報しました',
    expired: '時間切れ',
    cancelled: '取りやめ',
  },
  verdictTexts: {
    passed: 'ご本人であることを確認しました。お話を続けてください。',
    failed: '3回とも確かめられませんでした。確認を要するお手続きは進めないでください。',
    declined: 'お客さまがこの確認を断りました。確認を要するお手続きは進めないでください。',
    reported: 'お客さまは、この通話をしていないと知らせています。通話を終え、責任者に報告してください。',
    expired: '有効な時間のうちに終わりませんでした。必要なときは、もう一度始めてください。',
    cancelled: 'この確認は取りやめられました。',
  },
  took: (seconds: number) => `開始から${seconds}秒`,
  factorsShown: '示されたもの',
  factors: { knowledge: '知識（暗証番号）', possession: '所持（登録した端末）', inherence: '生体' },
  precallPassed: '事前確認',
  connectionLost: '接続が切れました。つなぎ直しています。',
  announceCode: (digits: string) => `お伝えする番号は ${digits} です`,

  // recent
  recentTitle: '最近の確認',
  recentNone: 'まだありません。',
  open: '進行中',

  failures: {
    no_device: 'このお客さま番号には、登録された端末がありません。',
    no_passkey: 'このお客さまの端末には、パスキーがありません。ほかの確認の内容を選んでください。',
    rate_limited: '短い間に続けて始めています。少し待ってから、もう一度お試しください。',
    busy: 'ただいま混み合っています。少し待ってから、もう一度お試しください。',
    network: '通信できませんでした。',
    timeout: '応答に時間がかかりすぎました。',
    malformed: '入力された内容をお確かめください。',
    verification_over: 'この確認はすでに終わっています。',
    other: 'うまくいきませんでした。もう一度お試しください。',
  } as Readonly<Record<string, string>> & { readonly other: string },
};

export type Texts = typeof ja;

const en: Texts = {
  title: 'Operator’s desk',
  tenants: { aoba: 'Aoba Bank' },
  language: '日本語',

  sideTitle: 'Akashi, an example',
  sideLead:
    'A caller is verified, and nobody sees a PIN or an account number. On the left is the customer’s phone, on the right the operator’s desk.',
  sidePhone: 'The customer’s phone',
  sidePhoneText: 'Set it up for a customer; requests then appear here.',
  sideDesk: 'The operator’s desk',
  sideDeskText: 'Choose the customer number, start, and type the six digits shown here on the phone.',
  sideOpenAlone: 'Open in a tab of its own',
  sideSignIn: 'Sign the operator in again',

  signInTitle: 'Operator sign-in',
  signInText: 'Open the one-time link that your administrator gave you, or paste it here.',
  signInLink: 'Sign-in link',
  signIn: 'Sign in',
  signInRefused: 'This link was used before or is no longer good. Please ask for a new one.',
  sessionEnded: 'You were signed out after a while without activity. Please use a new link.',
  signedInAs: (name: string) => `Signed in as ${name}`,
  signOut: 'Sign out',
  opening: 'Getting ready',
  tryAgain: 'Try again',

  startTitle: 'This call',
  subject: 'Customer number',
  subjectHint: 'Examples',
  policy: 'What is proven',
  purpose: 'Reason',
  direction: 'Call',
  inbound: 'They called us',
  outbound: 'We called them',
  withTransaction: 'Add a transaction',
  amount: 'Amount (yen)',
  payee: 'Payee',
  start: 'Start',
  facts: { pin: 'PIN', account: 'account', passkey: 'passkey' },

  claimTitle: 'Take a pre-call code',
  claimText: 'For customers who verified before the call; checked with the customer number and reason above.',
  claimCode: 'Six-digit code',
  claim: 'Check',
  claimRefused: 'This code cannot be taken. Please check customer number, reason and code.',

  idleTitle: 'Nothing in hand',
  idleText: 'Once you start, the six digits to read out to the customer appear here.',
  speak: 'Read this number out to the customer',
  codeDigits: 'Code',
  timeLeft: 'Left',
  cancel: 'Cancel',
  states: {
    waiting: 'Waiting for the customer’s phone',
    later: 'The customer chose “later”',
    accepted: 'The customer is verifying on the phone',
  },
  steps: { started: 'Started', accepted: 'Customer answered', decided: 'Result' },
  verdicts: {
    passed: 'Passed',
    failed: 'Not verified',
    declined: 'Declined by the customer',
    reported: 'Reported by the customer',
    expired: 'Time ran out',
    cancelled: 'Cancelled',
  },
  verdictTexts: {
    passed: 'This is the customer. Please go on.',
    failed: 'None of three tries held. Do not go on with anything that needs verification.',
    declined: 'The customer declined. Do not go on with anything that needs verification.',
    reported: 'The customer says they are not on this call. End it, and tell your supervisor.',
    expired: 'It was not finished in time. Start again if it is still needed.',
    cancelled: 'This verification was called off.',
  },
  took: (seconds: number) =>
    seconds === 1 ? '1 second from the start' : `${seconds} seconds from the start`,
  factorsShown: 'Shown',
  factors: {
    knowledge: 'Knowledge (PIN)',
    possession: 'Possession (enrolled phone)',
    inherence: 'Inherence',
  },
  precallPassed: 'Before the call',
  connectionLost: 'The connection was lost. Reconnecting.',
  announceCode: (digits: string) => `The code to read out is ${digits}`,

  recentTitle: 'Recent',
  recentNone: 'None yet.',
  open: 'Under way',

  failures: {
    no_device: 'No phone is set up for this customer number.',
    no_passkey: 'This customer’s phone has no passkey. Choose another kind of check.',
    rate_limited: 'Too many were started in a short time. Please wait a moment and try again.',
    busy: 'The verifier is busy right now. Please try again in a moment.',
    network: 'There was no connection.',
    timeout: 'The answer took too long.',
    malformed: 'Please check what you entered.',
    verification_over: 'This verification is over already.',
    other: 'That did not work. Please try again.',
  },
};

export const TEXTS: Readonly<Record<Language, Texts>> = { ja, en };
