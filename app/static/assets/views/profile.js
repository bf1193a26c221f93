// The account: profile and picture, what the page looks like, password, sessions, API tokens, deletion.
import { ask, get, patch, post, remove } from "../api.js";
import { icon } from "../icons.js";
import { confirmed, field, lines, openDialog, signInFirst, trouble } from "../parts/pieces.js";
import { adult, language, theme, titleLanguage } from "../prefs.js";
import { go } from "../router.js";
import { choose, dropSession, me, profileChanged, signedIn } from "../session.js";
import { avatar, heading } from "../shell.js";
import { explain, failed, faultOf, toast } from "../toasts.js";
import { h, signal, still } from "../view.js";
import { moment, since, t } from "../words.js";

export function view() {
  heading.set(t("nav.profile"));
  return h("div", { class: "profile" }, h("div", { class: "heading" }, h("h1", {}, t("nav.profile"))), () =>
    signedIn() ? still(() => [profileForm(), looks(), passwordForm(), sessions(), tokens(), deletion()]) : signInFirst(t("profile_for")),
  );
}

let sectionNumber = 0;

function section(name, text, ...content) {
  const id = `section-${++sectionNumber}`;
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, name), text && h("p", { class: "hint" }, text), content);
}

/** A form of fields that tells what is wrong where it is wrong. */
function form(fields, label, submit, { danger = false } = {}) {
  const busy = signal(false);
  const fault = signal(null);
  const inputs = fields.map(([name, text, attributes, hint]) => {
    const input = h("input", { name, ...attributes });
    return [name, input, field(text, input, { hint, error: () => faultOf(fault(), name) })];
  });
  const onsubmit = async (event) => {
    event.preventDefault();
    busy.set(true);
    fault.set(null);
    try {
      await submit(Object.fromEntries(inputs.map(([name, input]) => [name, input.value])), inputs);
    } catch (error) {
      fault.set(error);
    }
    busy.set(false);
  };
  const elsewhere = () => fault() && !inputs.some(([name]) => faultOf(fault(), name));
  return h(
    "form",
    { onsubmit, class: "stack" },
    h("div", { class: "columns" }, inputs.map(([, , node]) => node)),
    () => (elsewhere() ? h("p", { class: "error", role: "alert" }, explain(fault())) : null),
    h("p", { class: "actions" }, h("button", { type: "submit", class: danger ? "danger" : "primary", disabled: busy }, label)),
  );
}

function profileForm() {
  const profile = me.peek();
  return section(
    t("profile"),
    null,
    picture(),
    form(
      [
        ["username", t("username"), { value: profile.username, required: true, minlength: "3", maxlength: "32", autocomplete: "username", autocapitalize: "none", spellcheck: "false" }],
        ["full_name", t("full_name"), { value: profile.full_name ?? "", maxlength: "100", autocomplete: "name" }],
        ["email", t("email"), { value: profile.email ?? "", type: "email", autocomplete: "email" }],
        ["current_password", t("current_password"), { type: "password", autocomplete: "current-password" }, t("for_email")],
      ],
      t("save"),
      async (values, inputs) => {
        const before = me.peek();
        const changed = {};
        if (values.username !== before.username) changed.username = values.username;
        if (values.full_name.trim() !== (before.full_name ?? "")) changed.full_name = values.full_name.trim() || null;
        if (values.email.trim() !== (before.email ?? "")) changed.email = values.email.trim() || null;
        if ("email" in changed) changed.current_password = values.current_password;
        if (!Object.keys(changed).length) return;
        profileChanged((await patch("/users/me", changed)).value);
        inputs.find(([name]) => name === "current_password")[1].value = "";
        toast(t("saved"));
      },
    ),
  );
}

function picture() {
  const busy = signal(false);
  const input = h("input", { type: "file", id: "avatar-file", class: "hidden", accept: "image/jpeg,image/png,image/gif,image/webp", onchange: () => input.files[0] && upload(input.files[0]) });
  const change = async (work, again) => {
    busy.set(true);
    try {
      profileChanged((await work()).value);
    } catch (error) {
      failed(error, again);
    }
    busy.set(false);
    input.value = "";
  };
  const upload = (file) => {
    const body = new FormData();
    body.append("avatar", file, file.name);
    return change(() => ask("PATCH", "/users/me", { body }), () => upload(file));
  };
  return h(
    "div",
    { class: "row picture" },
    () => (me() ? avatar(me()) : null),
    input,
    h("label", { class: () => `button small${busy() ? " skeleton" : ""}`, for: "avatar-file" }, t("choose_picture")),
    () => (me()?.avatar ? h("button", { type: "button", class: "small ghost", onclick: () => change(() => patch("/users/me", { avatar: null })) }, t("remove_picture")) : null),
    h("small", {}, t("picture_hint")),
  );
}

function looks() {
  const choice = (label, preference, text) =>
    field(label, h("select", { value: () => preference(), onchange: ({ target }) => choose(preference, target.value) }, preference.choices.map((one) => h("option", { value: one }, text(one)))));
  return section(
    t("settings"),
    t("settings_text"),
    h(
      "div",
      { class: "columns" },
      choice(t("language"), language, (one) => ({ en: "English", ru: "Русский" })[one]),
      choice(t("titles"), titleLanguage, (one) => t(`titles.${one}`)),
      choice(t("theme"), theme, (one) => t(`theme.${one}`)),
      choice(t("adult"), adult, (one) => t(`adult.${one}`)),
      visibility(),
    ),
    publicPage(),
  );
}

/** Who sees the list; the other settings are this device's, this one is the account's. */
function visibility() {
  const save = async (list_visibility) => {
    try {
      profileChanged((await patch("/users/me", { list_visibility })).value);
      toast(t("saved"));
    } catch (error) {
      failed(error, () => save(list_visibility));
    }
  };
  return field(
    t("list_visibility"),
    h("select", { value: () => me()?.list_visibility ?? "private", onchange: ({ target }) => save(target.value) }, ["private", "public"].map((one) => h("option", { value: one }, t(`visibility.${one}`)))),
    { hint: t("list_visibility_hint") },
  );
}

function publicPage() {
  return () => (me()?.list_visibility === "public" ? h("p", {}, h("a", { href: `/people/${encodeURIComponent(me().username)}` }, t("public_page"))) : null);
}

function passwordForm() {
  return section(
    t("password"),
    t("password_text"),
    form(
      [
        ["current_password", t("current_password"), { type: "password", required: true, autocomplete: "current-password" }],
        ["new_password", t("new_password"), { type: "password", required: true, minlength: "8", maxlength: "128", autocomplete: "new-password" }, t("password_hint")],
      ],
      t("save_password"),
      async (values, inputs) => {
        await post("/auth/password", values);
        for (const [, input] of inputs) input.value = "";
        toast(t("password_changed"));
      },
    ),
  );
}

/** A list that is loaded when it is shown; `render(value, again)`. */
function loaded(load, render) {
  const value = signal(null);
  const fault = signal(null);
  const again = async () => {
    fault.set(null);
    try {
      value.set((await load()).value);
    } catch (error) {
      fault.set(error);
    }
  };
  again();
  return () => (fault() ? trouble(fault(), again) : value() ? still(() => render(value.peek(), again)) : lines(3));
}

function sessions() {
  const end = async (session, again) => {
    try {
      await remove(`/auth/sessions/${session.id}`);
      toast(t("session_ended"));
      again();
    } catch (error) {
      failed(error, () => end(session, again));
    }
  };
  const endAll = async () => {
    if (!(await confirmed(t("end_all"), t("end_all_text"), t("end_all")))) return;
    try {
      await post("/auth/logout-all");
      dropSession();
      go("/");
    } catch (error) {
      failed(error, endAll);
    }
  };
  return section(
    t("sessions"),
    t("sessions_text"),
    loaded(
      () => get("/auth/sessions", { limit: 50 }),
      (all, again) =>
        h(
          "ul",
          { class: "plain" },
          all.map((session) =>
            h(
              "li",
              { class: "row spread" },
              h("span", { class: "name" }, h("strong", {}, deviceOf(session.device)), h("small", {}, [session.address, t("used", { when: since(session.last_used_at) })].filter(Boolean).join(" · "))),
              session.current ? h("span", { class: "chip" }, t("this_device")) : h("button", { type: "button", class: "small", onclick: () => end(session, again) }, t("end_session")),
            ),
          ),
        ),
    ),
    h("p", { class: "actions" }, h("button", { type: "button", class: "danger", onclick: endAll }, icon("out"), t("end_all"))),
  );
}

/** A browser and a system out of what a browser calls itself. */
function deviceOf(text) {
  if (!text) return t("unknown_device");
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\/?/.exec(text)?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(text)?.[1];
  const names = { Edg: "Edge", OPR: "Opera", "Mac OS X": "macOS" };
  return browser ? [names[browser] ?? browser, names[system] ?? system].filter(Boolean).join(", ") : text.slice(0, 60);
}

const SCOPES = ["read:content", "write:content", "read:profile", "write:profile", "write:catalog", "admin:*"];

function tokens() {
  const revoke = async (token, again) => {
    if (!(await confirmed(t("revoke"), t("revoke_text", { name: token.name }), t("revoke")))) return;
    try {
      await remove(`/auth/tokens/${token.id}`);
      again();
    } catch (error) {
      failed(error, () => revoke(token, again));
    }
  };
  let refresh = () => null;
  return section(
    t("api_tokens"),
    t("api_tokens_text"),
    loaded(
      () => get("/auth/tokens", { limit: 50 }),
      (all, again) => {
        refresh = again;
        if (!all.length) return h("p", { class: "hint" }, t("no_tokens"));
        return h(
          "ul",
          { class: "plain" },
          all.map((token) =>
            h(
              "li",
              { class: "row spread" },
              h("span", { class: "name" }, h("strong", {}, token.name), h("small", {}, [`${token.hint}…`, token.scopes.join(", "), t("until", { when: moment(token.expires_at) })].join(" · "))),
              h("button", { type: "button", class: "small", onclick: () => revoke(token, again) }, t("revoke")),
            ),
          ),
        );
      },
    ),
    h("p", { class: "actions" }, h("button", { type: "button", onclick: () => mint(() => refresh()) }, icon("key"), t("new_token"))),
  );
}

function mint(done) {
  openDialog(t("new_token"), (close) => {
    const minted = signal(null);
    const fault = signal(null);
    const name = h("input", { required: true, maxlength: "100", autofocus: true });
    const days = h("input", { type: "number", min: "1", max: "366", value: "90", required: true });
    const allowed = SCOPES.filter((scope) => me.peek().permissions.includes(scope));
    const chosen = new Set(["read:content"]);
    const onsubmit = async (event) => {
      event.preventDefault();
      fault.set(null);
      try {
        minted.set((await post("/auth/tokens", { name: name.value, scopes: [...chosen], expires_in_days: Number(days.value) })).value.token);
        done();
      } catch (error) {
        fault.set(error);
      }
    };
    return h("div", {}, () =>
      minted()
        ? h("div", { class: "stack" }, h("p", {}, t("token_once")), h("pre", { tabindex: "0", class: "token" }, minted()), h("p", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: () => navigator.clipboard?.writeText(minted.peek()).then(() => toast(t("copied"))) }, t("copy")), h("button", { type: "button", onclick: close }, t("close"))))
        : h(
            "form",
            { onsubmit, class: "stack" },
            field(t("name"), name),
            h("fieldset", {}, h("legend", {}, t("may")), allowed.map((scope) => h("label", { class: "tick" }, h("input", { type: "checkbox", checked: chosen.has(scope), onchange: ({ target }) => chosen[target.checked ? "add" : "delete"](scope) }), h("span", {}, t(`scope.${scope}`), " ", h("code", {}, scope))))),
            field(t("days"), days),
            () => (fault() ? h("p", { class: "error", role: "alert" }, explain(fault())) : null),
            h("p", { class: "actions" }, h("button", { type: "submit", class: "primary" }, t("make_token"))),
          ),
    );
  });
}

function deletion() {
  return section(
    t("delete_account"),
    t("delete_account_text"),
    form(
      [["password", t("current_password"), { type: "password", required: true, autocomplete: "current-password" }]],
      t("delete_account"),
      async ({ password }) => {
        if (!(await confirmed(t("delete_account"), t("delete_account_sure", { name: me.peek().username }), t("delete_account")))) return;
        await ask("DELETE", "/users/me", { body: { password } });
        dropSession();
        toast(t("account_deleted"));
        go("/");
      },
      { danger: true },
    ),
  );
}

