// The start: words, routes, who is signed in, and the frame.
import { language } from "./prefs.js";
import { addRoute, startRouter } from "./router.js";
import { resume } from "./session.js";
import { shell } from "./shell.js";
import { effect, scope, still } from "./view.js";
import { loadRareWords, loadWords } from "./words.js";

addRoute("discover", "/", () => import("./views/discover.js"));
addRoute("title", "/title/:id", () => import("./views/title.js"));
addRoute("library", "/library", () => import("./views/library.js"));
addRoute("sign-in", "/sign-in", () => import("./views/sign.js"));
addRoute("sign-up", "/sign-up", () => import("./views/sign.js"));
addRoute("reset-password", "/reset-password", () => import("./views/sign.js"));

const rare = (load) => async () => {
  const [module] = await Promise.all([load(), loadRareWords()]);
  return module;
};
addRoute("continue", "/continue", rare(() => import("./views/continue.js")));
addRoute("recommended", "/recommended", rare(() => import("./views/recommended.js")));
addRoute("statistics", "/statistics", rare(() => import("./views/statistics.js")));
addRoute("history", "/history", rare(() => import("./views/history.js")));
addRoute("import", "/import", rare(() => import("./views/import.js")));
addRoute("connections", "/connections", rare(() => import("./views/connections.js")));
addRoute("profile", "/profile", rare(() => import("./views/profile.js")));
addRoute("collections", "/my/collections", rare(() => import("./views/collections.js")));
addRoute("collections", "/my/collections/:id", rare(() => import("./views/collections.js")));
addRoute("shared", "/shared/:token", rare(() => import("./views/collections.js")));
addRoute("person", "/people/:name", rare(() => import("./views/person.js")));
addRoute("operator", "/operator/:part", rare(() => import("./views/operator.js")));

// A mail about a forgotten password leads to the root, with its token after the #.
const mailed = /^#reset=(.+)$/.exec(location.hash);
if (mailed) history.replaceState(null, "", `/reset-password#${mailed[1]}`);

let dispose = null;

async function build() {
  await loadWords();
  dispose?.();
  const [frame, gone] = scope(shell);
  dispose = gone;
  document.body.replaceChildren(frame);
}

resume();
startRouter();
effect(() => {
  language();
  still(build);
});
