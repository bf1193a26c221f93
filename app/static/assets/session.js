// Who is signed in. The access token lives in memory; one refresh serves all tabs.
import { ApiError, ask, forgetAnswers, get, patch, post, useBearer } from "./api.js";
import { adult, stored, titleLanguage, write } from "./prefs.js";
import { go } from "./router.js";
import { toast } from "./toasts.js";
import { signal } from "./view.js";
import { t } from "./words.js";

const REFRESH = "refresh"; // the one secret that outlives the tab; single use, so a copy of it shows
const EARLY = 30_000; // ms before its end that a token is replaced
const ASKING = 60; // ms that a new tab waits for a token of another tab
const TELLING = 400; // ms that the news of another tab's refresh may take

/** null: nobody; undefined: not known yet; else the profile. */
export const me = signal(undefined);
export const signedIn = () => Boolean(me());

const channel = new BroadcastChannel("anisync.session");
let access = null; // {token, until}
let refreshing = null;
let heard = null; // called when another tab tells its token

const hear = (patience) =>
  new Promise((go) => {
    heard = go;
    setTimeout(go, patience);
  });

channel.addEventListener("message", ({ data }) => {
  if (data.kind === "ask" && isFresh()) channel.postMessage({ kind: "token", access });
  if (data.kind === "token") {
    access = data.access;
    heard?.();
    if (!me.peek()) loadProfile();
  }
  if (data.kind === "out") data.ended ? ended() : forget();
  if (data.kind === "profile") me.set(data.profile);
});

const isFresh = () => access !== null && Date.now() < access.until - EARLY;

/** At most one tab at a time; a browser without locks has the server's patience with spent tokens. */
const alone = (work) =>
  navigator.locks ? navigator.locks.request("anisync.refresh", work) : work();

function take(tokens) {
  access = { token: tokens.access_token, until: Date.now() + tokens.expires_in * 1000 };
  write(REFRESH, tokens.refresh_token);
  channel.postMessage({ kind: "token", access });
}

async function refresh(refused) {
  const before = stored(REFRESH);
  refreshing ??= alone(() => exchange(refused, before)).finally(() => (refreshing = null));
  return refreshing;
}

/** While this tab waited for the lock another one may have done it. */
async function exchange(refused, before) {
  if (stored(REFRESH) !== before && (!isFresh() || access.token === refused)) await hear(TELLING);
  if (isFresh() && access.token !== refused) return access.token;
  const token = stored(REFRESH);
  if (!token) {
    forget();
    return null;
  }
  try {
    const { value } = await ask("POST", "/auth/refresh", { body: { refresh_token: token }, signed: false });
    take(value);
    return access.token;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      write(REFRESH, null);
      channel.postMessage({ kind: "out", ended: true });
      ended();
      return null;
    }
    throw error;
  }
}

useBearer({
  async get() {
    if (isFresh()) return access.token;
    return access || stored(REFRESH) ? refresh() : null;
  },
  async refuse(token) {
    return refresh(token);
  },
});

/** The server ended the session: signed out elsewhere, password changed, account closed, or too old. */
function ended() {
  if (me.peek() === null) return;
  forget();
  const run = () => go(`/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`);
  toast(t("session_over"), { kind: "bad", action: { label: t("sign_in"), run }, seconds: 60 });
}

function forget() {
  access = null;
  forgetAnswers();
  me.set(null);
}

/** Who is it? Asked once at the start; another tab may know the token already. */
export async function resume() {
  if (!stored(REFRESH)) {
    me.set(null);
    return;
  }
  channel.postMessage({ kind: "ask" });
  await hear(ASKING);
  await loadProfile();
}

export async function loadProfile() {
  try {
    const { value } = await get("/users/me");
    takeSettings(value);
    me.set(value);
  } catch (error) {
    // Without the server nobody knows; asked again when it is back.
    if (error instanceof ApiError && (error.status === 401 || me.peek() === undefined)) me.set(null);
  }
}

const OF_PROFILE = { japanese: "native" };

/** What the profile says goes where this device was not told otherwise. */
function takeSettings({ title_language: titles, adult: shown }) {
  if (titles && stored("titles") === null) titleLanguage.set(OF_PROFILE[titles] ?? titles);
  if (shown !== undefined && stored("adult") === null) adult.set(shown ? "show" : "hide");
}

const SHARED = new Map([
  [titleLanguage, (value) => ({ title_language: value === "native" ? "japanese" : value })],
  [adult, (value) => ({ adult: value === "show" })],
]);

/** Choose for this device, and for the account where it keeps that choice. */
export function choose(preference, value) {
  preference.set(value);
  const fields = SHARED.get(preference)?.(value);
  // The choice holds on this device even if the account does not learn of it.
  if (fields && access) patch("/users/me", fields).then((answer) => profileChanged(answer.value), () => null);
}

/** The profile has changed; every tab shows it. */
export function profileChanged(profile) {
  me.set(profile);
  channel.postMessage({ kind: "profile", profile });
}

export async function signIn(login, password) {
  take((await post("/auth/login", { login, password }, { signed: false })).value);
  await loadProfile();
}

export async function signUp(fields) {
  take((await post("/auth/register", fields, { signed: false })).value);
  choose(titleLanguage, titleLanguage.peek()); // a new account reads titles as this device does
  await loadProfile();
}

/** End the session on the server and in every tab. */
export async function signOut() {
  const token = stored(REFRESH);
  write(REFRESH, null);
  const ending = post("/auth/logout", token ? { refresh_token: token } : undefined).catch(() => null);
  channel.postMessage({ kind: "out" });
  await ending;
  forget();
}

/** The account is gone, or all sessions are: here too. */
export function dropSession() {
  write(REFRESH, null);
  channel.postMessage({ kind: "out" });
  forget();
}

/** The access token, for a WebSocket. */
export const accessToken = () => (isFresh() ? Promise.resolve(access.token) : refresh());

export const isOperator = () => me()?.permissions?.includes("admin:*") ?? false;
