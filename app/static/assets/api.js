// Asking the API: errors with names, ETags, one bearer token, and whether the server is there.
import { signal } from "./view.js";

export class ApiError extends Error {
  constructor(status, body, headers) {
    super(body?.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = body?.code ?? "";
    this.details = body?.details ?? null;
    this.faults = body?.details?.errors ?? []; // {field, code, params, message} of each field
    this.requestId = body?.request_id ?? "";
    this.retryAfter = Number(headers?.get("Retry-After")) || 0;
  }
}

/** The server cannot be reached. */
export class Offline extends Error {}

export const online = signal(navigator.onLine !== false);
let bearer = { get: async () => null, refuse: async () => null };
const known = new Map(); // path → {etag, value, headers}: what a 304 stands for
const MOST_KNOWN = 120;

/** Tell where the access token comes from: `get()` and, after a 401, `refuse(token)`. */
export function useBearer(source) {
  bearer = source;
}

/** Forget the answers of somebody who signed out. */
export const forgetAnswers = () => known.clear();

export function url(path, query) {
  const parameters = new URLSearchParams();
  for (const name in query) {
    const value = query[name];
    if (value === undefined || value === null || value === "" || value === false) continue;
    if (Array.isArray(value)) value.forEach((one) => parameters.append(name, one));
    else parameters.append(name, value);
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Ask, and answer `{value, total, etag, headers, status}`. Throws ApiError and Offline.
 * `signed`: true sends the token where there is one, false never, "must" fails without.
 */
export async function ask(method, path, options = {}) {
  const { query, body, signed = true, headers = {}, signal: abort, as = "json" } = options;
  const address = url(path, query);
  const token = signed ? await bearer.get() : null;
  let response = await send(method, address, { body, headers, abort, token });
  if (response.status === 401 && token) {
    const fresh = await bearer.refuse(token);
    if (fresh) response = await send(method, address, { body, headers, abort, token: fresh });
  }
  return read(response, address, as);
}

async function send(method, address, { body, headers, abort, token }) {
  const sent = new Headers(headers);
  if (token) sent.set("Authorization", `Bearer ${token}`);
  const before = method === "GET" ? known.get(address) : null;
  if (before) sent.set("If-None-Match", before.etag);
  let content = body;
  if (body !== undefined && !(body instanceof FormData)) {
    content = JSON.stringify(body);
    sent.set("Content-Type", "application/json");
  }
  try {
    const response = await fetch(address, { method, headers: sent, body: content, signal: abort });
    online.set(true);
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    online.set(false);
    throw new Offline(error.message);
  }
}

async function read(response, address, as) {
  const { status, headers } = response;
  if (status === 304) {
    const { value, ...rest } = known.get(address);
    return { ...rest, value, status: 200 };
  }
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new ApiError(status, body, headers);
  }
  if (as === "blob") return { value: await response.blob(), headers, status };
  const text = await response.text();
  const answer = {
    value: text ? JSON.parse(text) : null,
    total: Number(headers.get("X-Total-Count") ?? NaN),
    etag: headers.get("ETag"),
    headers,
    status,
  };
  if (answer.etag && response.url && text.length < 300_000) remember(address, answer);
  return answer;
}

function remember(address, answer) {
  known.delete(address);
  known.set(address, answer);
  if (known.size > MOST_KNOWN) known.delete(known.keys().next().value);
}

export const get = (path, query, options) => ask("GET", path, { query, ...options });
export const post = (path, body, options) => ask("POST", path, { body, ...options });
export const patch = (path, body, options) => ask("PATCH", path, { body, ...options });
export const remove = (path, options) => ask("DELETE", path, options);

/** What was answered last, without asking: for a first paint. */
export const recall = (path, query) => known.get(url(path, query));

// While the server is away, look for it; the pause grows up to half a minute.
let pause = 2000;
let looking = null;

async function look() {
  looking = null;
  try {
    const response = await fetch("/health/live", { cache: "no-store" });
    online.set(response.ok);
  } catch {
    online.set(false);
  }
  if (online.peek()) pause = 2000;
  else wait();
}

function wait() {
  looking ??= setTimeout(look, pause);
  pause = Math.min(pause * 1.6, 30_000);
}

/** Start looking for a server that went away. */
export function watchServer() {
  addEventListener("offline", () => online.set(false));
  addEventListener("online", look);
  return () => {
    if (!online() && looking === null) wait();
  };
}
