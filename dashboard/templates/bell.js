// State lives with the mounted element: Streamlit calls this function again at every refresh.
const bells = new WeakMap();
const STALE_AFTER_MS = 15000;
const WANTED = "maskgate.sound";
const RUNG_FOR = "maskgate.rung";

function makeBell(parent) {
  const bar = parent.querySelector(".bar");
  const live = parent.querySelector(".live");
  const button = parent.querySelector("button");
  const audio = parent.querySelector("audio");
  const bell = {
    pulse: null,
    pulsedAt: performance.now(),
    answeredAt: "",
    troubled: false,
    beeps: Number(bar.dataset.beeps),
  };
  const ended = new AbortController();
  let blocked = false;
  let broken = "";

  const wanted = () => localStorage.getItem(WANTED) !== "off";

  function show() {
    const on = wanted() && !blocked;
    bar.dataset.sound = on ? "on" : blocked && wanted() ? "blocked" : "off";
    bar.dataset.beeps = String(bell.beeps);
    button.textContent = broken ? "Sound does not work here" : on ? "Sound is on" : "Turn sound on";
    button.dataset.wanted = String(blocked && wanted());
    button.setAttribute("aria-pressed", String(on));
    button.title = on
      ? broken || "A refusal beeps. Press to mute."
      : blocked && wanted()
        ? "The browser keeps pages silent until they are pressed once."
        : "A refusal makes no sound. Press to let it beep.";
    const stale = performance.now() - bell.pulsedAt > STALE_AFTER_MS;
    document.documentElement.dataset.maskgate = stale ? "stale" : "live";
    live.dataset.stale = String(stale || bell.troubled);
    live.textContent = stale
      ? `Not live: this page has lost its server. What it shows is from ${bell.answeredAt}.`
      : bell.troubled
        ? `Trying again · the cloud last answered at ${bell.answeredAt || "no time yet"}`
        : `Live · cloud answered at ${bell.answeredAt}`;
  }

  async function ring() {
    try {
      audio.currentTime = 0;
      await audio.play();
      blocked = false;
      broken = "";
      return true;
    } catch (error) {
      // NotAllowedError: no press yet on this page, and the button asks for one.
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
    await ring(); // so that people hear what they turned on
  }
  // Streamlit may unmount a bell and mount the next one on the same elements: the old one must let go.
  button.addEventListener("click", press, { signal: ended.signal });

  bell.tell = async ({ refusal, pulse, answeredAt, troubled }) => {
    if (pulse !== bell.pulse) bell.pulsedAt = performance.now();
    bell.pulse = pulse;
    bell.answeredAt = answeredAt;
    bell.troubled = troubled;
    show();
    if (refusal && refusal !== sessionStorage.getItem(RUNG_FOR)) {
      sessionStorage.setItem(RUNG_FOR, refusal);
      if (wanted() && (await ring())) {
        bell.beeps += 1;
        show();
      }
    }
  };

  // A suspended context is how a browser says, without a sound, that it would block one.
  const context = new AudioContext();
  blocked = context.state === "suspended";
  context.close();
  const watch = setInterval(show, 1000);
  bell.stop = () => {
    clearInterval(watch);
    ended.abort();
  };
  return bell;
}

export default function ({ data, parentElement }) {
  if (!bells.has(parentElement)) bells.set(parentElement, makeBell(parentElement));
  bells.get(parentElement).tell(data);
  return () => {
    bells.get(parentElement)?.stop();
    bells.delete(parentElement);
  };
}
