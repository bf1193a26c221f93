// The main flows of a client, on nothing but the types of the OpenAPI document; run against a server,
// by Node with its address as argument, or by a page of another origin that calls `run` and `drawGrid`.
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Anime = components["schemas"]["Anime"];
type Entry = components["schemas"]["Entry"];

declare const process: { argv: string[] } | undefined;

let api = createClient<paths>();
let tokens: components["schemas"]["Tokens"] | undefined;

const signed: Middleware = {
  onRequest({ request }) {
    if (tokens) request.headers.set("Authorization", `Bearer ${tokens.access_token}`);
    return request;
  },
};

function given<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) throw new Error(`${answer.response.status}: ${JSON.stringify(answer.error)}`);
  return answer.data;
}

async function signIn(): Promise<void> {
  const password = "a long password of the flows";
  const body = { email: `flows-${Date.now()}@example.org`, password };
  tokens = given(await api.POST("/auth/register", { body }));
  // Two tabs wake up at once with the same refresh token: both get the same new pair.
  const spent = { body: { refresh_token: tokens.refresh_token } };
  const [one, other] = await Promise.all([api.POST("/auth/refresh", spent), api.POST("/auth/refresh", spent)]);
  tokens = given(one);
  if (given(other).refresh_token !== tokens.refresh_token) throw new Error("the tabs lose each other");
  const me = given(await api.PATCH("/users/me", { body: { timezone: "Europe/Berlin" } }));
  if (me.timezone !== "Europe/Berlin") throw new Error("the profile did not change");
}

async function browse(): Promise<Anime[]> {
  const page = await api.GET("/anime", { params: { query: { type: ["TV"], sort: "-score", limit: 100 } } });
  const all = given(page);
  if (Number(page.response.headers.get("X-Total-Count")) < all.length) throw new Error("no total");
  const titles = given(await api.GET("/anime/", { params: { query: { fields: ["id", "title"], limit: 1 } } }));
  const title: string | undefined = titles[0]?.title;
  given(await api.GET("/search/anime", { params: { query: { q: title ?? "Cowboy" } } }));
  given(await api.GET("/genres", { params: { query: { sfw: true } } }));
  return all;
}

async function keepAList(anime: Anime): Promise<void> {
  const path = { anime_id: anime.id };
  const added: Entry = given(
    await api.PUT("/users/me/list/{anime_id}", { params: { path }, body: { status: "watching" } }),
  );
  const stale = await api.PATCH("/users/me/list/{anime_id}", {
    params: { path, header: { "If-Match": '"999999"' } },
    body: { score: 8.5 },
  });
  if (stale.error?.code !== "PRECONDITION_FAILED") throw new Error("a stale change went through");
  const edited = given(
    await api.PATCH("/users/me/list/{anime_id}", {
      params: { path, header: { "If-Match": `"${added.version}"` } },
      body: { score: 8.5 },
    }),
  );
  const batch = given(
    await api.POST("/users/me/list/batch", {
      body: { operations: [{ op: "update", anime_id: anime.id, if_match: edited.version, notes: "good" }] },
    }),
  );
  if (batch.results[0]?.status !== 200) throw new Error("the batch failed");
  const entries = given(
    await api.GET("/users/me/list", { params: { query: { status: ["watching"], expand: ["anime"] } } }),
  );
  const kind: string | null | undefined = entries[0]?.anime.type;
  if (kind !== anime.type) throw new Error("the card is not of the title");
  const changes = given(await api.GET("/users/me/list/changes"));
  given(await api.GET("/users/me/list/changes", { params: { query: { since: changes.until } } }));
  given(await api.POST("/users/me/entries/{entry_id}/undo", { params: { path: { entry_id: added.id } } }));
  given(await api.GET("/users/me/stats"));
}

async function markAGrid(anime: Anime[]): Promise<void> {
  await api.PUT("/favorites/{anime_id}", { params: { path: { anime_id: anime[0]!.id } } });
  const query = { anime_id: anime.map((title) => title.id) };
  const marks = given(await api.GET("/users/me/marks", { params: { query } }));
  if (marks[String(anime[0]!.id)]?.is_favorite !== true) throw new Error("no mark");
}

async function watch(anime: Anime): Promise<void> {
  const body = { anime_id: anime.id, episode: 1, progress_percent: 95 };
  const report = given(await api.POST("/watch/progress", { body }));
  if (report.entry?.anime_id !== anime.id) throw new Error("the episode does not count");
  given(await api.GET("/watch/progress/{anime_id}", { params: { path: { anime_id: anime.id } } }));
  given(await api.GET("/watch/continue"));
  const made = given(await api.POST("/collections", { body: { name: "Of the flows" } }));
  const path = { collection_id: made.id };
  given(await api.POST("/collections/{collection_id}/items", { params: { path }, body: { anime_id: anime.id } }));
}

async function exportAll(): Promise<void> {
  const file = await api.GET("/users/me/export", { params: { query: { format: "csv" } }, parseAs: "blob" });
  if (given(file).size === 0) throw new Error("an empty export");
  const name = file.response.headers.get("Content-Disposition");
  if (!name?.includes("filename=")) throw new Error("a page of another origin does not see the file's name");
}

async function fail(): Promise<void> {
  const refused = await api.POST("/auth/login", { body: { email: "nobody@example.org", password: "wrong" } });
  if (refused.response.status !== 401) throw new Error("anybody gets in");
  const invalid = await api.GET("/anime", { params: { query: { limit: 1000 } } });
  const error = invalid.error?.details?.errors?.[0];
  if (error?.field !== "limit" || error.code !== "too_large") throw new Error("the field is not named");
}

/** A grid of 100 titles with the caller's marks on it. */
export async function drawGrid(): Promise<{ titles: number; marked: number }> {
  const titles = given(await api.GET("/anime", { params: { query: { type: ["TV"], sort: "-score", limit: 100 } } }));
  const query = { anime_id: titles.map((title) => title.id) };
  const marks = given(await api.GET("/users/me/marks", { params: { query } }));
  return { titles: titles.length, marked: titles.filter((title) => marks[String(title.id)]).length };
}

/** Every flow, one after the other, as a person who signs up for it; how many titles there were. */
export async function run(url: string): Promise<number> {
  api = createClient<paths>({ baseUrl: url });
  api.use(signed);
  await signIn();
  const found = await browse();
  if (found[0]) {
    await keepAList(found[0]);
    await markAGrid(found);
    await watch(found[0]);
    await exportAll();
  }
  await fail();
  return found.length;
}

if (typeof process !== "undefined") {
  const count = await run(process.argv[2] ?? "http://localhost:8000");
  console.log(`the flows ran with ${count} titles`);
}
