/** The patient's pages: which one the address is about, and what stands around it. */
import "./portal.css";
import * as api from "./api";
import { button, fill, make } from "./elements";
import { ExamPage } from "./exam";
import { Gate } from "./gate";
import { EVERYTHING, type Filter, List } from "./list";
import { GuestPage } from "./share-guest";
import { ShareList } from "./share-list";
import { guest, myShares } from "./share-texts";
import * as texts from "./texts";

const EXAM = /^\/exam\/([a-z0-9]{10,40})$/;
const RETURN = /^\/((exam|viewer)\/[a-z0-9]{10,40}|shares)$/;
const SHARE_LINK = /^\/s\/([A-Za-z0-9_-]{22})$/;
const SHARES = "/shares";

interface Place {
  filter?: Filter;
  scroll?: number;
}

class Portal {
  private readonly page = make("div", "page");
  private list: List | null = null;

  constructor(private readonly root: HTMLElement) {
    addEventListener("popstate", () => this.show());
    // A page that the browser kept would show what the session may no longer see.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    history.scrollRestoration = "manual";
  }

  /** Finds out how far the visitor has come and shows the gate or the page. */
  async start(): Promise<void> {
    this.frame(false);
    const link = SHARE_LINK.exec(location.pathname)?.[1];
    if (link) {
      document.title = `${texts.brand} · ${guest.title}`;
      fill(this.page, new GuestPage(link).element);
      return;
    }
    fill(this.page, make("p", "quiet middle", { role: "status" }, texts.loading));
    try {
      const { state } = await api.session();
      if (state === "proved") this.enter();
      else this.showGate(state === "code-verified" ? "name" : "phone");
    } catch (error) {
      const again = button("plain", texts.retry, () => void this.start());
      const told = (error as api.Problem).message;
      fill(this.page, make("main", "card empty", { role: "alert" }, make("p", "", {}, told), again));
    }
  }

  private frame(inside: boolean): void {
    const away = EXAM.test(location.pathname) || location.pathname === SHARES;
    const shares = button("quietly", myShares, () => this.toShares());
    const back = button("quietly back", texts.back, () => this.toList());
    const leave = button("quietly", texts.signOut, () => void this.leave());
    fill(
      this.root,
      make(
        "header",
        "top",
        {},
        make(
          "div",
          "inner",
          {},
          inside && away ? back : make("span", "brand", {}, texts.brand),
          inside ? make("div", "ways", {}, location.pathname === SHARES ? null : shares, leave) : null,
        ),
      ),
      this.page,
    );
  }

  private showGate(step: "phone" | "name", notice = ""): void {
    this.list = null;
    this.frame(false);
    document.title = `${texts.brand} · ${texts.title}`;
    fill(this.page, new Gate(() => this.enter(), step, notice).element);
  }

  private enter(): void {
    const to = new URLSearchParams(location.search).get("to") ?? "";
    if (RETURN.test(to)) {
      if (to.startsWith("/viewer/")) {
        location.replace(to);
        return;
      }
      history.replaceState(null, "", to);
    }
    this.show();
  }

  private show(): void {
    this.frame(true);
    const exam = EXAM.exec(location.pathname)?.[1];
    const place = (history.state ?? {}) as Place;
    if (location.pathname === SHARES) {
      fill(this.page, new ShareList((problem) => this.ended(problem)).element);
      scrollTo(0, 0);
    } else if (exam) {
      const page = new ExamPage(
        exam,
        () => this.toList(),
        (problem) => this.ended(problem),
      );
      fill(this.page, page.element);
      scrollTo(0, 0);
    } else {
      this.list ??= new List(
        place.filter ?? EVERYTHING,
        (id) => this.open(id),
        (problem) => this.ended(problem),
        (filter) => history.replaceState({ ...history.state, filter }, ""),
      );
      fill(this.page, this.list.element);
      scrollTo(0, place.scroll ?? 0);
    }
    const title = location.pathname === SHARES ? myShares : exam ? texts.exam.report : texts.list.heading;
    document.title = `${texts.brand} · ${title}`;
  }

  private open(exam: string): void {
    history.replaceState({ ...history.state, scroll: scrollY }, "");
    history.pushState({ inside: true }, "", `/exam/${exam}`);
    this.show();
  }

  private toShares(): void {
    history.replaceState({ ...history.state, scroll: scrollY }, "");
    history.pushState({ inside: true }, "", SHARES);
    this.show();
  }

  private toList(): void {
    if ((history.state as { inside?: boolean } | null)?.inside) history.back();
    else {
      history.replaceState(null, "", "/");
      this.show();
    }
  }

  /** True if the problem was that the session has ended; then the gate is shown. */
  private ended(problem: api.Problem): boolean {
    if (problem.status !== 401 && problem.code !== "forbidden") return false;
    if (RETURN.test(location.pathname)) history.replaceState(null, "", `/?to=${location.pathname}`);
    this.showGate("phone", texts.gate.expired);
    return true;
  }

  private async leave(): Promise<void> {
    await api.leave().catch(() => undefined);
    // The document goes too, and with it whatever it held in memory.
    location.replace("/");
  }
}

const root = document.getElementById("app");
if (root) void new Portal(root).start();
