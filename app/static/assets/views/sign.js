// Signing in, signing up, and getting a new password.
import { post } from "../api.js";
import { field } from "../parts/pieces.js";
import { go } from "../router.js";
import { signIn, signUp, signedIn } from "../session.js";
import { heading } from "../shell.js";
import { explain, faultOf, toast } from "../toasts.js";
import { effect, h, signal, still } from "../view.js";
import { t } from "../words.js";

/** Back to where one came from, if that is an address of ours. */
const onward = (query) => (/^\/(?!\/)/.test(query.get("to") ?? "") ? query.get("to") : "/");

export function view({ name, query }) {
  const forms = { "sign-in": signInForm, "sign-up": signUpForm, "reset-password": resetForm };
  heading.set(t(`${name}.heading`));
  if (name !== "reset-password") {
    effect(() => {
      if (signedIn()) still(() => queueMicrotask(() => go(onward(query), { replace: true })));
    });
  }
  return h("div", { class: "sign-page" }, h("h1", {}, t(`${name}.heading`)), forms[name](query));
}

function form(fields, label, submit, ...below) {
  const busy = signal(false);
  const fault = signal(null);
  const inputs = fields.map(([name, text, attributes, hint]) => {
    const input = h("input", { name, required: true, ...attributes });
    return [name, input, field(text, input, { hint, error: () => faultOf(fault(), name) })];
  });
  const hasField = (error) => inputs.some(([name]) => faultOf(error, name));
  const onsubmit = async (event) => {
    event.preventDefault();
    if (busy.peek()) return;
    busy.set(true);
    fault.set(null);
    try {
      await submit(Object.fromEntries(inputs.map(([name, input]) => [name, input.value])));
    } catch (error) {
      fault.set(error);
      inputs.find(([name]) => faultOf(error, name))?.[1].focus();
    }
    busy.set(false);
  };
  return h(
    "form",
    { class: "panel", onsubmit },
    inputs.map(([, , node]) => node),
    () => (fault() && !hasField(fault()) ? h("p", { class: "error", role: "alert" }, explain(fault())) : null),
    h("button", { type: "submit", class: "primary wide", disabled: busy }, label),
    below,
  );
}

function signInForm(query) {
  const to = query.get("to") ? `?to=${encodeURIComponent(query.get("to"))}` : "";
  return form(
    [
      ["login", t("name_or_mail"), { autocomplete: "username", autocapitalize: "none", spellcheck: "false", autofocus: true }],
      ["password", t("password"), { type: "password", autocomplete: "current-password" }],
    ],
    t("sign_in"),
    ({ login, password }) => signIn(login.trim(), password),
    h("p", {}, t("no_account"), " ", h("a", { href: `/sign-up${to}` }, t("sign_up"))),
    h("p", {}, h("a", { href: "/reset-password" }, t("forgot"))),
  );
}

function signUpForm(query) {
  const to = query.get("to") ? `?to=${encodeURIComponent(query.get("to"))}` : "";
  return form(
    [
      ["username", t("username"), { autocomplete: "username", autocapitalize: "none", spellcheck: "false", minlength: "3", maxlength: "32", pattern: "[A-Za-z0-9_.\\-]+", title: t("username_hint"), autofocus: true }, t("username_hint")],
      ["email", t("email"), { type: "email", autocomplete: "email" }],
      ["password", t("password"), { type: "password", autocomplete: "new-password", minlength: "8", maxlength: "128" }, t("password_hint")],
    ],
    t("sign_up"),
    ({ username, email, password }) => signUp({ username: username.trim(), email: email.trim(), password }),
    h("p", {}, t("have_account"), " ", h("a", { href: `/sign-in${to}` }, t("sign_in"))),
  );
}

/** With a token from the mail: a new password; without: ask for the mail. */
function resetForm() {
  const token = location.hash.slice(1);
  const sent = signal(false);
  if (token) {
    return form(
      [["new_password", t("new_password"), { type: "password", autocomplete: "new-password", minlength: "8", maxlength: "128", autofocus: true }, t("password_hint")]],
      t("save_password"),
      async ({ new_password }) => {
        await post("/auth/password/reset", { token, new_password }, { signed: false });
        toast(t("password_saved"));
        go("/sign-in", { replace: true });
      },
    );
  }
  return h("div", {}, () =>
    sent()
      ? h("p", { class: "panel", role: "status" }, t("mail_sent"))
      : form(
          [["email", t("email"), { type: "email", autocomplete: "email", autofocus: true }]],
          t("send_mail"),
          async ({ email }) => {
            await post("/auth/password/forgot", { email: email.trim() }, { signed: false });
            sent.set(true);
          },
          h("p", {}, h("a", { href: "/sign-in" }, t("sign_in"))),
        ),
  );
}
