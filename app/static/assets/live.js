// New episodes as they come out: one tab holds the WebSocket, all tabs hear, who follows the title is told.
import { get } from "./api.js";
import { entryOf, needMarks } from "./mine.js";
import { stored, write } from "./prefs.js";
import { toast } from "./toasts.js";
import { t, titleOf } from "./words.js";

const PATH = "/api/anilibria/v2/ws";
const SEEN = "live"; // the last event that was shown, for what came while nobody listened
const LONGEST = 60_000; // ms between two tries
const FOLLOWED = new Set(["watching", "plan_to_watch", "on_hold"]);

const channel = new BroadcastChannel("anisync.live");
let stop = null;

channel.addEventListener("message", ({ data }) => show(data));

/** Whose list it is hears of its titles from now on; answers how to end that. */
export function listen() {
  if (stop) return;
  const ending = new AbortController();
  stop = () => ending.abort();
  const work = () => new Promise((done) => hold(ending.signal, done));
  if (navigator.locks) navigator.locks.request("anisync.live", { signal: ending.signal }, work).catch(() => null);
  else work();
}

export function silence() {
  stop?.();
  stop = null;
}

/** Hold the connection until the signal ends it; a lost one is taken up where it was. */
function hold(ending, done) {
  let socket = null;
  let pause = 2000;
  let timer;
  const connect = () => {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${PATH}`);
    socket.addEventListener("open", () => {
      pause = 2000;
      const since = Number(stored(SEEN)) || undefined;
      socket.send(JSON.stringify({ type: "subscribe_updates", data: { types: ["new_episode"], since } }));
    });
    socket.addEventListener("message", ({ data }) => hear(data));
    socket.addEventListener("close", () => {
      if (ending.aborted) return;
      timer = setTimeout(connect, pause * (0.7 + Math.random() * 0.6));
      pause = Math.min(pause * 2, LONGEST);
    });
  };
  ending.addEventListener("abort", () => {
    clearTimeout(timer);
    socket?.close();
    done();
  });
  if (!ending.aborted) connect();
}

async function hear(text) {
  const { type, event_id: id, data } = JSON.parse(text);
  if (id) write(SEEN, String(id));
  if (type !== "new_episode") return;
  try {
    const animeId = data.anime_id ?? (await animeOf(data.title_id));
    if (!animeId) return;
    const news = { animeId, episode: data.episode, title: data.title };
    channel.postMessage(news);
    show(news);
  } catch {
    // Which title it is cannot be asked now: no toast is better than a wrong one.
  }
}

/** The anime of a release, by its id at the source. */
async function animeOf(titleId) {
  const { value } = await get(`/api/anilibria/v2/titles/${titleId}`, {}, { signed: false });
  return value.data.anime_id;
}

async function show({ animeId, episode, title: told }) {
  needMarks([animeId]);
  for (let turn = 0; turn < 20 && entryOf(animeId).peek() === undefined; turn++) await new Promise((go) => setTimeout(go, 100));
  const entry = entryOf(animeId).peek();
  if (!entry || !FOLLOWED.has(entry.status) || entry.progress >= Number(episode)) return;
  const title = titleOf(entry.anime ?? {}) || told;
  toast(t("new_episode", { title, episode }), { kind: "live", seconds: 20, href: `/title/${animeId}` });
}
