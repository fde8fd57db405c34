// The page at a door. It shows what the server said within the last seconds, and nothing else.
// Written for browsers of 2020: no optional chaining, no modules.
(function () {
  "use strict";

  var SILENT_MS = 2500;      // a message comes each second; after this silence nothing is shown as true
  var CHECK_MS = 200;
  var SLEPT_MS = 1500;       // a timer that is so late tells of a machine or tab that slept
  var RELOAD_MS = 30000;     // after so long without a word the page is loaded again
  var ASK_AGAIN_MS = 10000;  // between two requests for a code

  var SIGNS = {
    waiting: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7zM12 12h.01",
    granted: "M3 13 9 19 21 5", welcome: "M3 13 9 19 21 5", refused: "M4 4 20 20M20 4 4 20",
    closed: "M4 12H20", expired: "M12 6V13L17 16", revoked: "M4 12H20",
    no_camera: "M12 4V14M12 20h.01", out_of_order: "M12 4V14M12 20h.01", lost: "M12 4V14M12 20h.01"
  };
  var MASKS = {
    no_mask: { outline: "M30 64q30-12 60 0v22q-30 26-60 0zM30 66l-8-6M90 66l8-6M32 86l-6 2M88 86l6 2", mask: "", arrow: "" },
    mask_worn_wrongly: { outline: "", mask: "M30 78h60c0 16-12 30-30 30s-30-14-30-30z", arrow: "M111 84V56l-5 6M111 56l5 6" }
  };

  var root = document.documentElement;
  var texts = JSON.parse(document.getElementById("texts").textContent);
  var base = location.pathname.replace(/\/$/, "");
  var language = texts[kept("language")] && !/[?&]lang=/.test(location.search) ? kept("language") : root.lang;
  var scene = null;          // what the server said last; null while nothing is known
  var view = "starting";
  var overAt = Infinity;     // by performance.now(): when the scene's view is over
  var saidAt = 0;
  var closedAt = null;
  var heardAt = performance.now();
  var openedAt = 0;
  var checkedAt = { monotonic: performance.now(), wall: Date.now() };
  var source = null;
  var askedAt = -Infinity;
  var note = "";
  var reloading = false;
  var spoken = "";
  var wantsSound = kept("sound") === "on";
  var sounds = 0;
  var audio = null;

  function at(id) { return document.getElementById(id); }
  function kept(name) { try { return localStorage.getItem("door." + name); } catch (error) { return null; } }
  function keep(name, value) { try { localStorage.setItem("door." + name, value); } catch (error) { /* private mode */ } }
  function now() { return performance.now(); }
  function set(element, text) { if (element.textContent !== text) element.textContent = text; }

  // ---- what is heard

  function listen() {
    if (source) source.close();
    openedAt = now();
    var opened = source = new EventSource(base + "/stream");
    function on(kind, work) {
      opened.addEventListener(kind, function (event) {
        if (opened !== source || document.hidden) return;
        heardAt = now();
        renewGuard();
        work(JSON.parse(event.data));
      });
    }
    on("hello", function (said) { if (said.page !== root.getAttribute("data-version")) reload(); });
    on("tick", function () { if (!scene && view !== "expired") listen(); });
    on("lost", function () { forget("lost"); });
    on("scene", function (said) {
      scene = said;
      note = "";
      saidAt = now();
      overAt = said.left_s === null ? Infinity : saidAt + said.left_s * 1000;
      closedAt = said.since_s === null ? null : saidAt - said.since_s * 1000;
      show(said.view);
      sound(said);
    });
    on("unpaired", function (said) {
      if (said.code && !location.hash) { scene = { code_text: said.code }; overAt = Infinity; show("unpaired"); }
      else pair();
    });
  }

  function pair() {
    forget("pairing");
    if (now() - askedAt < ASK_AGAIN_MS) return;
    askedAt = now();
    var link = location.hash.slice(1);
    if (link) history.replaceState(null, "", location.pathname + location.search);
    fetch(base + "/pair", {
      method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" },
      body: JSON.stringify(link ? { link_code: link } : {})
    }).then(function (answer) {
      if (!answer.ok && link) { note = "link_refused"; askedAt = -Infinity; }
      listen();
    }, function () { /* the next message asks again */ });
  }

  // ---- what is known, and for how long

  function forget(next) {
    scene = null;
    overAt = Infinity;
    show(next);
  }

  function check() {
    var monotonic = now(), wall = Date.now();
    var late = Math.max(monotonic - checkedAt.monotonic, Math.abs(wall - checkedAt.wall)) > SLEPT_MS;
    checkedAt = { monotonic: monotonic, wall: wall };
    if (document.hidden) return;
    if (late && scene) { forget("lost"); listen(); }
    else if (monotonic - heardAt > SILENT_MS) {
      if (scene || view !== "lost") forget("lost");
      if (monotonic - openedAt > SILENT_MS || source.readyState === 2 && monotonic - openedAt > 1000) listen();
      if (monotonic - heardAt > RELOAD_MS) reload();
    }
    if (monotonic > overAt) {
      // What comes next is the server's to say; until then a pass that is over is called so.
      forget(view === "granted" ? "expired" : "starting");
      if (view !== "expired") listen();
    }
    if (scene) draw();
    drawSound();
  }

  function reload() {
    if (reloading) return;
    reloading = true;
    fetch(location.pathname + location.search, { cache: "no-store" }).then(function (answer) {
      if (answer.ok) location.reload(); else reloading = false;
    }, function () { reloading = false; });
  }

  function hide() { forget("starting"); if (source) source.close(); }
  function wake() { heardAt = now(); checkedAt = { monotonic: now(), wall: Date.now() }; forget("starting"); listen(); }
  document.addEventListener("visibilitychange", function () { if (document.hidden) hide(); else wake(); });
  document.addEventListener("freeze", hide);
  window.addEventListener("pagehide", hide);
  window.addEventListener("pageshow", function (event) { if (event.persisted) wake(); });

  // ---- what is shown

  function words(name) {
    var own = texts[language];
    var special = scene && scene.reason ? own[name + "_" + scene.reason] : null;
    return special || own[name] || own.out_of_order;
  }

  function show(next) {
    view = next;
    root.setAttribute("data-view", next);
    draw();
    fit();
  }

  function draw() {
    var own = texts[language], said = words(view), message = said.message;
    if (view === "closed" && scene.reason) message = scene.reason;
    root.lang = language;
    set(at("gate"), scene && scene.gate || "");
    var title = view === "unpaired" ? scene.code_text : said.title;
    if (spoken !== title + "\n" + message) {
      spoken = title + "\n" + message;
      set(at("title"), title);
      set(at("message"), message);
    }
    at("sign-path").setAttribute("d", SIGNS[view] || "");
    at("sign").toggleAttribute("hidden", !SIGNS[view]);
    set(at("note"), remark(own));
    var code = view === "granted" ? scene.code : view === "waiting" ? scene.visitor_code : null;
    var image = at("code");
    if (code) {
      if (image.getAttribute("src") !== code) { image.setAttribute("src", code); renewGuard(); }
      image.alt = view === "granted" ? own.code_alt : own.visitor_code_alt;
    } else if (image.getAttribute("src")) image.removeAttribute("src");
    image.hidden = !code;
    var mask = view === "refused" ? MASKS[scene.reason] : null;
    at("pictogram").toggleAttribute("hidden", !mask);
    if (mask) {
      at("outline").setAttribute("d", mask.outline);
      at("mask").setAttribute("d", mask.mask);
      at("arrow").setAttribute("d", mask.arrow);
      set(at("pictogram-title"), own["pictogram_" + scene.reason]);
    }
    set(at("caption"), view === "waiting" && code ? own.visitor_caption : "");
    at("picture").hidden = !code && !mask;
    at("rest").hidden = view !== "granted";
    if (view === "granted") {
      var whole = Math.max(scene.left_s * 1000, 1);
      at("bar").style.transform = "scaleX(" + Math.max(0, Math.min(1, (overAt - now()) / whole)) + ")";
    }
  }

  function remark(own) {
    if (view === "granted") return own.seconds_left.replace("{n}", String(Math.max(0, Math.ceil((overAt - now()) / 1000))));
    if (view === "closed" && closedAt !== null) return own.closed_since.replace("{time}", duration(own, (now() - closedAt) / 60000));
    if (view === "unpaired" && note) return own[note];
    return "";
  }

  function duration(own, minutes) {
    if (minutes >= 2880) return own.days.replace("{n}", String(Math.floor(minutes / 1440)));
    if (minutes >= 120) return own.hours.replace("{n}", String(Math.floor(minutes / 60)));
    return own.minutes.replace("{n}", String(Math.max(1, Math.floor(minutes))));
  }

  // Long words and reasons are made smaller until nothing is cut off.
  function fit() {
    var main = at("door"), panel = at("panel"), inside = at("words"), picture = at("picture");
    for (var scale = 1; scale >= 0.2; scale -= 0.05) {
      root.style.setProperty("--scale", String(scale));
      var portrait = window.innerHeight > window.innerWidth;
      var height = inside.scrollHeight + (portrait ? picture.offsetHeight : 0);
      if (height <= panel.clientHeight && inside.scrollWidth <= inside.clientWidth && main.scrollWidth <= main.clientWidth) return;
    }
  }
  window.addEventListener("resize", fit);

  function renewGuard() { at("code").classList.toggle("other"); }

  // ---- languages

  Object.keys(texts).forEach(function (name) {
    var button = document.createElement("button");
    button.type = "button";
    button.lang = name;
    button.textContent = texts[name].language;
    button.addEventListener("click", function () { language = name; keep("language", name); drawLanguages(); show(view); });
    at("languages").appendChild(button);
  });
  function drawLanguages() {
    Array.prototype.forEach.call(at("languages").children, function (button) {
      button.setAttribute("aria-pressed", String(button.lang === language));
    });
  }

  // ---- sound: a browser may forbid it until somebody presses, and then the button says so

  function device() {
    var Kind = window.AudioContext || window.webkitAudioContext;
    if (!audio && Kind) audio = new Kind();
    return audio;
  }

  function tone(hertz, from, to) {
    var start = audio.currentTime + from, end = audio.currentTime + to;
    var oscillator = audio.createOscillator(), gain = audio.createGain();
    oscillator.frequency.value = hertz;
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(0.6, start + 0.01);
    gain.gain.setValueAtTime(0.6, end - 0.02);
    gain.gain.linearRampToValueAtTime(0, end);
    oscillator.connect(gain);
    gain.connect(audio.destination);
    oscillator.start(start);
    oscillator.stop(end);
  }

  function sound(said) {
    var loud = said.view === "refused" || said.view === "granted";
    if (!loud || kept("sounded") === said.change) return;
    keep("sounded", said.change);
    if (!wantsSound || !device() || audio.state !== "running") return;
    if (said.view === "refused") { tone(880, 0, 0.18); tone(880, 0.26, 0.44); }
    else { tone(660, 0, 0.16); tone(990, 0.16, 0.4); }
    sounds += 1;
    root.setAttribute("data-sounds", String(sounds));
  }

  function drawSound() {
    var state = !wantsSound ? "off" : device() && audio.state === "running" ? "on" : "blocked";
    at("sound").setAttribute("data-state", state);
    at("sound").setAttribute("aria-pressed", String(state === "on"));
    set(at("sound"), texts[language]["sound_" + state]);
  }

  at("sound").addEventListener("click", function () {
    var blocked = wantsSound && !(audio && audio.state === "running");
    wantsSound = blocked || !wantsSound;
    keep("sound", wantsSound ? "on" : "off");
    if (wantsSound && device()) audio.resume().then(function () { tone(660, 0, 0.1); drawSound(); });
    drawSound();
  });

  window.doorStarted = true;
  drawLanguages();
  drawSound();
  show("starting");
  listen();
  setInterval(check, CHECK_MS);
})();
