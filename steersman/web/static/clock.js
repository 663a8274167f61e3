// Time at work: seconds in which the page was in sight and somebody did something less than a minute ago.
const IDLE_MS = 60_000;
const TICK_MS = 1000;
const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel", "scroll", "input", "touchstart"];

export class Clock {
  constructor(seconds) {
    this.seconds = Number.isFinite(seconds) ? seconds : 0;
    this.lastSign = this.lastTick = performance.now();
    for (const sign of SIGNS) {
      addEventListener(sign, () => { this.lastSign = performance.now(); }, { capture: true, passive: true });
    }
    document.addEventListener("visibilitychange", () => this.tick());
    setInterval(() => this.tick(), TICK_MS);
  }

  tick() {
    const now = performance.now();
    // a laptop that slept would make one long tick
    const passed = Math.min(now - this.lastTick, 2 * TICK_MS);
    this.lastTick = now;
    if (!document.hidden && now - this.lastSign < IDLE_MS) this.seconds += passed / 1000;
  }

  read() {
    this.tick();
    return Math.round(this.seconds * 10) / 10;
  }
}
