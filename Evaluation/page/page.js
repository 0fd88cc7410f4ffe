
"use strict";

// Seconds. Silent recordings keep up with the one that is heard by running a little faster or
// slower; beyond FAR they jump. A switch corrects whatever is left beyond NEAR.
const NEAR = 0.02, FAR = 0.3, STEP = 5, TICK = 200;
const players = [...document.querySelectorAll(".song")].map(player);

function player(song) {
  const audios = [...song.querySelectorAll("audio")];
  const buttons = [...song.querySelectorAll(".tracks button")];
  const views = [...song.querySelectorAll("[data-view]")];
  const play = song.querySelector(".play");
  const seek = song.querySelector(".seek input");
  const clock = song.querySelector(".clock");
  const error = song.querySelector(".error");
  const plots = song.querySelector(".plots");
  const name = song.querySelector("h2").textContent;
  const seconds = Number(song.dataset.seconds), hop = Number(song.dataset.hop);
  const scores = JSON.parse(song.dataset.scores);
  const keys = [...song.querySelectorAll(".key output")];
  let heard = 0, playing = false, timer = 0;

  const here = () => audios[heard].currentTime;

  function show() {
    const at = here();
    clock.textContent = `${minutes(at)} / ${minutes(seconds)}`;
    plots.style.setProperty("--at", Math.min(1, at / seconds));
    seek.value = at;
    seek.setAttribute("aria-valuetext", `${minutes(at)} of ${minutes(seconds)}`);
    keys.forEach((key, index) => {
      const value = scores[index][Math.floor(at / hop)];
      key.textContent = value === undefined || value === null ? "–" : value.toFixed(1).replace("-", "−");
    });
  }

  function follow() {
    audios.forEach((audio, index) => {
      if (index === heard || audio.readyState === 0) return;
      const ahead = audio.currentTime - here();
      if (Math.abs(ahead) > FAR) audio.currentTime = here();
      audio.playbackRate = Math.abs(ahead) > FAR ? 1 : 1 - Math.max(-0.1, Math.min(0.1, ahead));
      if (playing && audio.paused && !audio.ended) audio.play().catch(() => {});
    });
  }

  function choose(index) {
    const at = here();
    audios[index].playbackRate = 1;
    if (index !== heard && Math.abs(audios[index].currentTime - at) > NEAR) audios[index].currentTime = at;
    heard = index;
    audios.forEach((audio, other) => { audio.muted = other !== heard; });
    buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === heard)));
    views.forEach((view) => { view.toggleAttribute("hidden", Number(view.dataset.view) !== heard); });
    const lines = song.querySelectorAll(".plot .score"), own = buttons[heard].dataset.source;
    lines.forEach((line, source) => line.classList.toggle("dim", own !== "" && source !== Number(own)));
    song.querySelectorAll(".heard").forEach((label) => { label.textContent = buttons[heard].dataset.name; });
    if (playing && audios[heard].paused) start();
    show();
  }

  function go(at) {
    const to = Math.max(0, Math.min(seconds, at));
    audios.forEach((audio) => { audio.currentTime = to; });
    show();
  }

  async function start() {
    players.forEach((other) => { if (other !== self) other.stop(); });
    if (here() >= seconds - 0.05) go(0);
    playing = true;
    error.hidden = true;
    state();
    audios.forEach((audio, index) => { if (index !== heard) audio.play().catch(() => {}); });
    try {
      await audios[heard].play();
    } catch (reason) {
      if (reason.name === "AbortError") return;
      stop();
      error.textContent = `${audios[heard].getAttribute("src")} cannot be played: ${reason.message}`;
      error.hidden = false;
      return;
    }
    clearInterval(timer);
    timer = setInterval(follow, TICK);
    requestAnimationFrame(frame);
  }

  function stop() {
    playing = false;
    clearInterval(timer);
    audios.forEach((audio) => audio.pause());
    state();
    show();
  }

  function state() {
    play.textContent = playing ? "Pause" : "Play";
    play.setAttribute("aria-label", `${play.textContent} ${name}`);
  }

  function frame() {
    if (!playing) return;
    show();
    requestAnimationFrame(frame);
  }

  function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const onButton = event.target.closest("button"), onSlider = event.target === seek;
    const track = Number(event.key) - 1;
    if (event.key === " " && !onButton) toggle();
    else if (track >= 0 && track < buttons.length) choose(track);
    else if (event.key === "ArrowLeft" && !onSlider) go(here() - STEP);
    else if (event.key === "ArrowRight" && !onSlider) go(here() + STEP);
    else return;
    event.preventDefault();
  }

  const toggle = () => (playing ? stop() : start());

  play.addEventListener("click", toggle);
  buttons.forEach((button, index) => button.addEventListener("click", () => choose(index)));
  seek.addEventListener("input", () => go(Number(seek.value)));
  song.addEventListener("keydown", key);
  audios.forEach((audio, index) => audio.addEventListener("ended", () => { if (index === heard) stop(); }));
  audios.forEach((audio, index) => audio.addEventListener("error", () => {
    if (index === heard && playing) stop();
    error.textContent = `${audio.getAttribute("src")} cannot be read: keep the page beside its folder audio`;
    error.hidden = false;
  }));
  song.querySelectorAll(".sdr .plot, .wave .plot, .spectrogram .plot").forEach((plot) =>
    plot.addEventListener("click", (event) => {
      const box = plot.getBoundingClientRect();
      go(seconds * (event.clientX - box.left) / box.width);
    }));

  const self = { stop };
  choose(0);
  return self;
}

function minutes(at) {
  const whole = Math.floor(at + 0.001);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
