// The state belongs to the mounted element: Streamlit calls the exported function at every refresh.
const bars = new WeakMap();
const STALE_AFTER_MS = 15000;
const WANTED = "maskgate.sound";
const BEEPED_FOR = "maskgate.rung";

function makeBar(parent) {
  const element = parent.querySelector(".bar");
  const live = parent.querySelector(".live");
  const button = parent.querySelector("button");
  const audio = parent.querySelector("audio");
  const bar = {
    refreshedAt: null,
    receivedAt: performance.now(),
    answeredAt: "",
    failing: false,
    beeps: Number(element.dataset.beeps),
  };
  const ended = new AbortController();
  let blocked = false;
  let broken = "";

  const wanted = () => localStorage.getItem(WANTED) !== "off";

  function show() {
    const on = wanted() && !blocked;
    element.dataset.sound = on ? "on" : blocked && wanted() ? "blocked" : "off";
    element.dataset.beeps = String(bar.beeps);
    button.textContent = broken ? "Sound does not work here" : on ? "Sound is on" : "Turn sound on";
    button.dataset.wanted = String(blocked && wanted());
    button.setAttribute("aria-pressed", String(on));
    button.title = on
      ? broken || "A refusal beeps. Press to mute."
      : blocked && wanted()
        ? "The browser keeps pages silent until they are pressed once."
        : "A refusal makes no sound. Press to let it beep.";
    const stale = performance.now() - bar.receivedAt > STALE_AFTER_MS;
    document.documentElement.dataset.maskgate = stale ? "stale" : "live";
    live.dataset.stale = String(stale || bar.failing);
    live.textContent = stale
      ? `Not live: this page has lost its server. What it shows is from ${bar.answeredAt}.`
      : bar.failing
        ? `Trying again · the cloud last answered at ${bar.answeredAt || "no time yet"}`
        : `Live · cloud answered at ${bar.answeredAt}`;
  }

  async function beep() {
    try {
      audio.currentTime = 0;
      await audio.play();
      blocked = false;
      broken = "";
      return true;
    } catch (error) {
      // NotAllowedError: nobody has pressed anything on this page yet, so the button asks for it.
      blocked = error.name === "NotAllowedError";
      broken = blocked ? "" : String(error);
      return false;
    } finally {
      show();
    }
  }

  async function press() {
    if (wanted() && !blocked) {
      localStorage.setItem(WANTED, "off");
      show();
      return;
    }
    localStorage.setItem(WANTED, "on");
    await beep(); // people hear what they have turned on
  }
  // Streamlit may mount a new bar on the same elements: the old one must let go of the button.
  button.addEventListener("click", press, { signal: ended.signal });

  bar.refresh = async ({ refusal, refreshedAt, answeredAt, failing }) => {
    if (refreshedAt !== bar.refreshedAt) bar.receivedAt = performance.now();
    bar.refreshedAt = refreshedAt;
    bar.answeredAt = answeredAt;
    bar.failing = failing;
    show();
    if (refusal && refusal !== sessionStorage.getItem(BEEPED_FOR)) {
      sessionStorage.setItem(BEEPED_FOR, refusal);
      if (wanted() && (await beep())) {
        bar.beeps += 1;
        show();
      }
    }
  };

  // With a suspended context the browser says, without a sound, that it would block one.
  const context = new AudioContext();
  blocked = context.state === "suspended";
  context.close();
  const watch = setInterval(show, 1000);
  bar.stop = () => {
    clearInterval(watch);
    ended.abort();
  };
  return bar;
}

export default function ({ data, parentElement }) {
  if (!bars.has(parentElement)) bars.set(parentElement, makeBar(parentElement));
  bars.get(parentElement).refresh(data);
  return () => {
    bars.get(parentElement)?.stop();
    bars.delete(parentElement);
  };
}
