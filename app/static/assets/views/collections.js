// Collections: lists of one's own making, in one's own order, that a link may show to others.
import { get, patch, post, remove } from "../api.js";
import { icon } from "../icons.js";
import { card, skeletons } from "../parts/card.js";
import { cover } from "../parts/cover.js";
import { confirmed, empty, field, lines, openDialog, signInFirst, trouble } from "../parts/pieces.js";
import { go } from "../router.js";
import { signedIn } from "../session.js";
import { heading } from "../shell.js";
import { explain, failed, toast } from "../toasts.js";
import { each, h, signal, still } from "../view.js";
import { since, t, titleOf } from "../words.js";

const PAGE = 100;
const placeOf = (id) => `/my/collections/${id}`;

export function view({ name, params }) {
  heading.set(t("nav.collections"));
  if (name === "shared") return shared(params.token);
  return h("div", { class: "stack" }, () =>
    signedIn() ? still(() => (params.id ? one(params.id) : all())) : [h("h1", {}, t("nav.collections")), signInFirst(t("collections_for"))],
  );
}

function all() {
  const found = signal(null);
  const total = signal(0);
  const fault = signal(null);
  async function load(offset = 0) {
    try {
      const answer = await get("/collections", { limit: PAGE, offset: offset || null });
      found.set([...(offset ? found.peek() : []), ...answer.value]);
      total.set(answer.total);
      fault.set(null);
    } catch (error) {
      fault.set(error);
    }
  }
  load();
  const make = () => edit(null, (made) => go(placeOf(made.id)));
  return [
    h("div", { class: "heading" }, h("h1", {}, t("nav.collections")), h("button", { type: "button", onclick: make }, icon("plus"), t("new_collection"))),
    () => (fault() ? trouble(fault(), () => load()) : null),
    () => (found() === null && !fault() ? h("div", { "aria-busy": "true" }, lines(5)) : null),
    () => (found()?.length === 0 ? empty("book", t("no_collections"), t("collections_for"), h("button", { type: "button", class: "primary", onclick: make }, t("new_collection"))) : null),
    h("ul", { class: "shelves" }, each(() => found() ?? [], (shelf) => shelf.id, (shelf) =>
      h("li", { class: "panel shelf" }, fan(shelf.peek()), h("h2", {}, h("a", { href: placeOf(shelf.peek().id) }, shelf.peek().name)), shelf.peek().description && h("p", {}, shelf.peek().description), h("small", {}, summary(shelf.peek()))),
    )),
    () => (found() && found().length < total() ? h("button", { type: "button", class: "wide", onclick: () => load(found.peek().length) }, t("show_more")) : null),
  ];
}

const notFound = (error) => [404, 422].includes(error.status);

/** Its first covers side by side, drawn ones where there are fewer. */
const fan = ({ id, name, covers, items_count: count }) =>
  h("div", { class: "fan", "aria-hidden": "true" }, Array.from({ length: Math.min(4, count) || 1 }, (_, index) => cover({ title: `${name} ${id} ${index}`, image_url: covers[index] })));

const summary = (shelf) => [t("titles_count", { n: shelf.items_count }), t(shelf.is_public ? "visibility.public" : "visibility.private"), since(shelf.updated_at)].join(" · ");

function one(id) {
  const shelf = signal(null);
  const items = signal(null);
  const fault = signal(null);
  const address = signal(""); // of the link that was made now
  async function load(offset = 0) {
    try {
      const [about, page] = await Promise.all([get(`/collections/${id}`), get(`/collections/${id}/items`, { limit: PAGE, offset: offset || null })]);
      items.set([...(offset ? items.peek() : []), ...page.value]);
      shelf.set(about.value);
      heading.set(about.value.name);
      fault.set(null);
      if (about.value.shared && !address.peek()) get(`/collections/${id}/share`).then(showLink, () => null); // made before links were kept: a new one can be made
    } catch (error) {
      fault.set(error);
    }
  }
  load();

  /** Shown at once; taken back and offered again when the server refuses. */
  async function arrange(next, work) {
    const before = items.peek();
    items.set(next);
    try {
      await work();
    } catch (error) {
      items.set(before);
      failed(error, () => arrange(next, work));
    }
  }
  const takeOut = (item) => arrange(items.peek().filter((other) => other !== item), () => remove(`/collections/${id}/items/${item.anime_id}`));
  const move = (item, by) => {
    const order = [...items.peek()];
    const from = order.indexOf(item);
    if (!order[from + by]) return;
    order.splice(from, 1);
    order.splice(from + by, 0, item);
    arrange(order, () => post(`/collections/${id}/items`, { anime_id: item.anime_id, position: from + by + 1 }));
  };

  const showLink = ({ value }) => address.set(`${location.origin}/shared/${value.share_url.split("/").at(-1)}`);
  async function share() {
    try {
      showLink(await post(`/collections/${id}/share`));
    } catch (error) {
      failed(error, share);
    }
  }
  async function unshare() {
    try {
      await remove(`/collections/${id}/share`);
      address.set("");
      toast(t("link_gone"));
    } catch (error) {
      failed(error, unshare);
    }
  }
  async function drop() {
    if (!(await confirmed(t("delete_collection"), t("delete_collection_text"), t("delete_collection")))) return;
    try {
      await remove(`/collections/${id}`);
      go("/my/collections", { replace: true });
    } catch (error) {
      failed(error, drop);
    }
  }

  const tools = (item) => {
    const title = titleOf(item.anime);
    const button = (sign, label, work) => h("button", { type: "button", class: "ghost icon small", "aria-label": t(label, { title }), onclick: work }, icon(sign));
    return h("span", { class: "row" }, button("left", "earlier", () => move(item, -1)), button("right", "later", () => move(item, 1)), button("trash", "take_out", () => takeOut(item)));
  };
  return [
    () => (fault() ? [h("h1", {}, t("nav.collections")), notFound(fault()) ? empty("book", t("no_collection"), t("no_collection_text"), h("a", { class: "button primary", href: "/my/collections" }, t("nav.collections"))) : trouble(fault(), () => load())] : null),
    () => {
      const now = shelf();
      if (!now) return fault() ? null : h("div", { class: "grid", "aria-busy": "true" }, skeletons(6));
      return [
        h("div", { class: "heading" }, h("h1", {}, now.name), h("small", {}, () => summary({ ...now, items_count: Math.max(items().length, now.items_count) }))),
        now.description && h("p", {}, now.description),
        h(
          "p",
          { class: "actions" },
          h("button", { type: "button", class: "small", onclick: () => edit(now, (value) => shelf.set(value)) }, icon("pen"), t("edit")),
          () =>
            address()
              ? h("button", { type: "button", class: "small", onclick: unshare }, t("unshare"))
              : h("button", { type: "button", class: "small", onclick: share }, icon("link"), t("share")),
          h("button", { type: "button", class: "small danger ghost", onclick: drop }, icon("trash"), t("delete_collection")),
        ),
      ];
    },
    () => (address() ? h("div", { role: "status" }, field(t("share_link"), h("input", { readonly: true, value: address(), onfocus: ({ target }) => target.select() }), { hint: t("share_hint") })) : null),
    () => (items()?.length === 0 ? empty("book", t("collection_empty"), t("collection_empty_text"), h("a", { class: "button primary", href: "/" }, t("nav.discover"))) : null),
    h("div", { class: "grid" }, each(() => items() ?? [], (item) => item.anime_id, (item) => card(item.peek().anime, { extra: tools(item.peek()), heading: "h2" }))),
    () => (shelf() && items().length < shelf().items_count && items().length % PAGE === 0 && items().length ? h("button", { type: "button", class: "wide", onclick: () => load(items.peek().length) }, t("show_more")) : null),
  ];
}

/** What a link shows to anybody. */
function shared(token) {
  const found = signal(null);
  const fault = signal(null);
  async function load(offset = 0) {
    try {
      const { value } = await get(`/collections/shared/${encodeURIComponent(token)}`, { limit: PAGE, offset: offset || null }, { signed: false });
      heading.set(value.name);
      found.set({ ...value, items: [...(offset ? found.peek().items : []), ...value.items] });
      fault.set(null);
    } catch (error) {
      fault.set(error);
    }
  }
  load();
  return h("div", { class: "stack" }, () => {
    const shelf = found();
    if (fault()) return fault().status === 404 ? [h("h1", {}, t("nav.collections")), empty("lock", t("no_share"), t("no_share_text"))] : [h("h1", {}, t("nav.collections")), trouble(fault(), () => load())];
    if (!shelf) return h("div", { class: "grid", "aria-busy": "true" }, skeletons(6));
    return [
      h("div", { class: "heading" }, h("h1", {}, shelf.name), h("p", { class: "count" }, t("titles_count", { n: shelf.items_count }))),
      shelf.description && h("p", {}, shelf.description),
      h("div", { class: "grid" }, shelf.items.map(({ anime }) => card(anime, { heading: "h2" }))),
      shelf.items.length < shelf.items_count ? h("button", { type: "button", class: "wide", onclick: () => load(shelf.items.length) }, t("show_more")) : null,
    ];
  });
}

/** Name, description and who may see it; of a new one or of one that is there. */
function edit(shelf, done) {
  openDialog(shelf ? t("edit") : t("new_collection"), (close) => {
    const fault = signal(null);
    const name = h("input", { required: true, maxlength: "200", autofocus: true, value: shelf?.name ?? "" });
    const description = h("textarea", { rows: "3", maxlength: "2000" }, shelf?.description ?? "");
    const open = h("input", { type: "checkbox", checked: shelf?.is_public ?? false });
    const onsubmit = async (event) => {
      event.preventDefault();
      const body = { name: name.value.trim(), description: description.value.trim() || null, is_public: open.checked };
      try {
        const { value } = shelf ? await patch(`/collections/${shelf.id}`, body) : await post("/collections", body);
        close();
        done(value);
      } catch (error) {
        fault.set(error);
      }
    };
    const why = (key) => () => fault()?.field?.(key) ?? "";
    return h(
      "form",
      { class: "stack", onsubmit },
      field(t("collection_name"), name, { error: why("name") }),
      field(t("description"), description, { error: why("description") }),
      h("label", { class: "tick" }, open, t("collection_public")),
      () => (fault() ? h("p", { class: "error", role: "alert" }, explain(fault())) : null),
      h("p", { class: "actions" }, h("button", { type: "submit", class: "primary" }, t("save"))),
    );
  });
}

/** From a title: into which collection it goes. */
export function collect(anime) {
  const found = signal(null);
  const fault = signal(null);
  get("/collections", { limit: PAGE }).then(({ value }) => found.set(value), fault.set);
  openDialog(t("collect"), (close) => {
    const put = async (shelf) => {
      close();
      try {
        await post(`/collections/${shelf.id}/items`, { anime_id: anime.id });
        toast(t("collected", { title: titleOf(anime), name: shelf.name }));
      } catch (error) {
        failed(error, () => put(shelf));
      }
    };
    return h(
      "div",
      { class: "stack" },
      () => (fault() ? h("p", { class: "error", role: "alert" }, explain(fault())) : found() === null ? lines(3) : null),
      () => found()?.map((shelf) => h("button", { type: "button", class: "wide", onclick: () => put(shelf) }, shelf.name, h("span", { class: "badge" }, String(shelf.items_count)))),
      h("button", { type: "button", class: "primary wide", onclick: () => (close(), edit(null, put)) }, icon("plus"), t("new_collection")),
    );
  });
}
