/** The phone's WebAuthn. */
export interface PasskeyPlatform {
  /** Whether this phone can verify its user by itself: by face, finger or screen lock. */
  isAvailable(): Promise<boolean>;
  create(options: CredentialCreationOptions): Promise<Credential | null>;
  get(options: CredentialRequestOptions): Promise<Credential | null>;
}

/** That of the browser, where the page has one: looked up when it is used. */
export function browserPasskeys(): PasskeyPlatform {
  const absent = () => Promise.reject(new TypeError('no WebAuthn here'));
  return {
    async isAvailable() {
      if (typeof PublicKeyCredential === 'undefined') return false;
      return PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
    },
    create: (options) => globalThis.navigator?.credentials?.create(options) ?? absent(),
    get: (options) => globalThis.navigator?.credentials?.get(options) ?? absent(),
  };
}
