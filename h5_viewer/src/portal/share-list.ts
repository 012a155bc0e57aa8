/** The patient's shares: what is shared until when, who opened it, and the way to take it back. */
import "./share.css";
import type * as api from "./api";
import { button, fill, make } from "./elements";
import * as shares from "./share-api";
import { handout } from "./share-made";
import { list as words } from "./share-texts";
import * as texts from "./texts";

/** The page; `failed` is told of errors that end the session. */
export class ShareList {
  readonly element = make("main", "shares");
  private readonly place = make("div", "");

  constructor(private readonly failed: (problem: api.Problem) => boolean) {
    fill(this.element, make("h1", "", { tabindex: "-1" }, words.heading), this.place);
    void this.load();
  }

  private async load(): Promise<void> {
    fill(this.place, make("p", "unseen", { role: "status" }, texts.loading), make("div", "card ghost"));
    try {
      const { items } = await shares.all();
      const cards = items.map((share) => new ShareCard(share, this.failed).element);
      fill(this.place, items.length > 0 ? make("ul", "", {}, ...cards) : nothing());
    } catch (error) {
      const problem = error as api.Problem;
      if (this.failed(problem)) return;
      const again = button("plain", texts.retry, () => void this.load());
      fill(this.place, make("div", "card empty", { role: "alert" }, make("p", "", {}, problem.message), again));
    }
  }
}

function nothing(): HTMLElement {
  return make(
    "div",
    "card empty",
    {},
    make("strong", "", {}, words.none),
    make("p", "", {}, words.noneHint),
    make("a", "plain button", { href: "/" }, texts.exam.toList),
  );
}

class ShareCard {
  readonly element = make("li", "card share");
  private readonly below = make("div", "below");

  constructor(
    private share: shares.Share,
    private readonly failed: (problem: api.Problem) => boolean,
  ) {
    this.show();
  }

  private show(): void {
    const { share } = this;
    const active = share.state === "active";
    const tools = make(
      "div",
      "tools",
      {},
      button("plain", words.openings, () => void this.openings()),
      active ? button("plain", words.link, () => void this.handout()) : null,
      active ? button("plain", words.renew, () => void this.renew()) : null,
      active || share.state === "used-up" ? button("plain danger", words.revoke, () => this.ask()) : null,
    );
    fill(this.below);
    fill(
      this.element,
      make("div", "what", {}, make("span", `state ${share.state}`, {}, words.states[share.state] ?? "")),
      ...share.exams.map(titleOf),
      share.state === "locked" ? make("p", "notice warn", {}, words.locked) : null,
      facts(share),
      tools,
      this.below,
    );
  }

  private async openings(): Promise<void> {
    await this.attempt(async () => {
      const { items } = await shares.openings(this.share.id);
      const rows = items.map((one) =>
        make(
          "li",
          "",
          {},
          make("strong", "", {}, texts.instant(one.time)),
          make("span", "quiet", {}, words.opening(one.phone, one.device, one.address)),
        ),
      );
      fill(
        this.below,
        make("h3", "", {}, words.openings),
        rows.length > 0 ? make("ul", "openings", {}, ...rows) : make("p", "quiet", {}, words.noOpenings),
      );
    });
  }

  private async handout(): Promise<void> {
    await this.attempt(async () => {
      const { url, expires } = await shares.one(this.share.id);
      if (url) fill(this.below, handout(this.share.id, url, null, expires));
      else await this.again();
    });
  }

  private async renew(): Promise<void> {
    await this.attempt(async () => {
      const share = await shares.renew(this.share.id);
      fill(this.below, handout(share.id, share.url, share.passcode, share.expires));
    });
  }

  private ask(): void {
    const sure = button("primary danger", words.sure, () => {
      sure.disabled = true;
      void this.attempt(async () => {
        await shares.revoke(this.share.id);
        await this.again();
      });
    });
    const keep = button("plain", words.keep, () => fill(this.below));
    fill(this.below, make("p", "notice bad", { role: "alert" }, words.confirm), make("div", "pair", {}, sure, keep));
    keep.focus();
  }

  private async again(): Promise<void> {
    this.share = await shares.one(this.share.id);
    this.show();
  }

  private async attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const problem = error as api.Problem;
      if (!this.failed(problem)) fill(this.below, make("p", "notice bad", { role: "alert" }, problem.message));
    }
  }
}

function titleOf(exam: shares.SharedExam): HTMLElement {
  const what = [texts.day(exam.date), exam.institution, exam.whole ? "" : words.some(exam.series_count)];
  return make(
    "div",
    "shown",
    {},
    make("strong", "", {}, texts.examTitle(exam.modalities, exam.description, exam.body_part)),
    make("p", "meta", {}, [...what, exam.report ? words.withReport : ""].filter(Boolean).join("　")),
  );
}

function facts(share: shares.Share): HTMLElement {
  const rows: [string, string][] = [
    [words.made, texts.instant(share.created)],
    [words.until, texts.instant(share.expires)],
    [words.opened, words.openedOf(share.opened, share.limit)],
    [words.guarded, words.guard(share.passcode, share.only_phone)],
  ];
  const list = rows.map(([name, value]) => make("div", "", {}, make("dt", "", {}, name), make("dd", "", {}, value)));
  return make("dl", "", {}, ...list);
}
