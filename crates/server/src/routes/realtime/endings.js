// Why a session ended, in plain words, and what to do.

/** An error is final if its text has one of these, in lower case: the contract's list, and what never gets better. */
const FINAL_TEXTS = ['permission denied', 'not allowed', 'invalid session', '401', 'invalid api key', 'unauthorized',
  'insufficient credits', 'session duration limit', 'moderation_violation'];

const NO_CREDITS = 'The credits of this key are used up. Add some, or enter another key, and start again.';
const DELETED = 'The operator of the server ended the session.';
const NOT_PERMITTED = 'What was asked for, or shown, is not permitted here. Change it and start again.';

/** Errors after which trying again is of no use, by their `error_type`. */
const FINAL_TYPES = {
  invalid_api_key: aboutKey,
  origin_not_allowed: () => `This key is not for pages of ${location.origin}. Enter another one and start again.`,
  invalid_model: () => 'The server has no such model, or not for this key. Choose another one and start again.',
  removed_model: () => 'This model was removed from the server. Choose another one and start again.',
  insufficient_credits: () => NO_CREDITS,
  session_duration_limit: () => 'The session lasted as long as its client token permits. Enter a new one and start again.',
  session_not_found: () => 'There is nothing to watch: that session is over, or never was. Ask for a new link.',
  moderation_violation: () => NOT_PERMITTED,
  session_deleted: () => DELETED,
};

/** The same for the `reason` of an end. */
const FINAL_REASONS = {
  insufficient_credits: () => NO_CREDITS,
  moderation_violation: () => NOT_PERMITTED,
  deleted_by_operator: () => DELETED,
};

const REASONS = {
  disconnect: 'this page left',
  timeout: 'something did not come in time',
  error: 'something failed on the server',
  insufficient_credits: 'the credits were used up',
  moderation_violation: 'what was asked for, or shown, is not permitted',
  deleted_by_operator: 'the operator of the server ended it',
  interrupted: 'the server was interrupted',
};

/** A `reason` in some words. */
export const reasonOf = (reason) => REASONS[reason] ?? reason;

/** The sentence for the end of a connection, and whether it is the end of the session too. */
export function judge({ text = '', type, reason, isFinal }) {
  if (isFinal) return { final: true, words: sentence(`The server refused the prompt or the image: ${text}`) };
  const known = FINAL_TYPES[type] ?? FINAL_REASONS[reason];
  if (known) return { final: true, words: known(text) };
  const lower = text.toLowerCase();
  const words = text || `The session ended: ${reasonOf(reason) ?? 'the server closed it'}`;
  return { final: FINAL_TEXTS.some((part) => lower.includes(part)), words: sentence(words) };
}

function aboutKey(text) {
  const because = [
    [/none was given/, 'This server wants an API key. Enter one and start again.'],
    [/expired/, 'This client token has expired. Enter a new one and start again.'],
    [/revoked/, 'This API key was revoked. Enter another one and start again.'],
  ].find(([words]) => words.test(text));
  return because?.[1] ?? 'The server does not take this API key. Enter another one and start again.';
}

const sentence = (words) => (/[.!?…]$/.test(words) ? words : `${words}.`);
