// Background jobs: following one to its end, and how its state looks.
import { get } from "../api.js";
import { h } from "../view.js";
import { number, t } from "../words.js";

export const isOver = (job) => job.status === "succeeded" || job.status === "failed";

/** Ask until the job is over; `told` hears of every state. Answers the last one; throws when `stopped()`. */
export async function follow(id, told, stopped = () => false) {
  for (let pause = 250; ; pause = Math.min(pause * 1.3, 2000)) {
    const { value } = await get(`/jobs/${id}`);
    if (stopped()) return value;
    told(value);
    if (isOver(value)) return value;
    await new Promise((go) => setTimeout(go, pause));
  }
}

export function jobBar(job) {
  const { done, total } = job.progress;
  const attributes = total ? { max: total, value: Math.min(done, total) } : {};
  return h(
    "div",
    { class: "job-bar" },
    h("progress", { ...attributes, "aria-label": t("progress") }),
    h("small", {}, `${t(`job.${job.status}`)} · ${total ? `${number(done)} / ${number(total)}` : number(done)}`),
  );
}
