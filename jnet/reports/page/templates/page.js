
"use strict";

// Times in seconds, except TICK in milliseconds. All recordings play, but only the selected one is
// not muted. A muted recording that is ahead or behind plays slower or faster; it jumps if the
// difference exceeds FAR. On a switch, the new recording jumps if the difference exceeds NEAR.
const NEAR = 0.02, FAR = 0.3, STEP = 5, TICK = 200;
const players = [...document.querySelectorAll(".track")].map(makePlayer);

function makePlayer(track) {
  const audios = [...track.querySelectorAll("audio")];
  const buttons = [...track.querySelectorAll(".recordings button")];
  const pictures = [".wave", ".spectrogram"].map((kind) => [...track.querySelectorAll(`${kind} .plot > *`)]);
  const play = track.querySelector(".play");
  const seek = track.querySelector(".seek input");
  const clock = track.querySelector(".clock");
  const error = track.querySelector(".error");
  const plots = track.querySelector(".plots");
  const name = track.querySelector("h2").textContent;
  const seconds = Number(track.dataset.seconds), hop = Number(track.dataset.hop);
  const scores = JSON.parse(track.dataset.scores);
  const keys = [...track.querySelectorAll(".key output")];
  let selected = 0, playing = false, timer = 0;

  const currentTime = () => audios[selected].currentTime;

  function showPosition() {
    const at = currentTime();
    clock.textContent = `${formatTime(at)} / ${formatTime(seconds)}`;
    plots.style.setProperty("--at", Math.min(1, at / seconds));
    seek.value = at;
    seek.setAttribute("aria-valuetext", `${formatTime(at)} of ${formatTime(seconds)}`);
    keys.forEach((key, index) => {
      const value = scores[index][Math.floor(at / hop)];
      key.textContent = value === undefined || value === null ? "–" : value.toFixed(1).replace("-", "−");
    });
  }

  function synchronize() {
    audios.forEach((audio, index) => {
      if (index === selected || audio.readyState === 0) return;
      const ahead = audio.currentTime - currentTime();
      if (Math.abs(ahead) > FAR) audio.currentTime = currentTime();
      audio.playbackRate = Math.abs(ahead) > FAR ? 1 : 1 - Math.max(-0.1, Math.min(0.1, ahead));
      if (playing && audio.paused && !audio.ended) audio.play().catch(() => {});
    });
  }

  function selectRecording(index) {
    const at = currentTime();
    audios[index].playbackRate = 1;
    if (index !== selected && Math.abs(audios[index].currentTime - at) > NEAR) audios[index].currentTime = at;
    selected = index;
    audios.forEach((audio, other) => { audio.muted = other !== selected; });
    buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === selected)));
    pictures.flat().forEach((picture) => picture.toggleAttribute("hidden", true));
    pictures.forEach((row) => row[selected].toggleAttribute("hidden", false));
    const lines = track.querySelectorAll(".plot .score"), source = buttons[selected].dataset.source;
    lines.forEach((line, other) => line.classList.toggle("dim", source !== "" && other !== Number(source)));
    track.querySelectorAll(".selected").forEach((label) => { label.textContent = buttons[selected].dataset.name; });
    if (playing && audios[selected].paused) start();
    showPosition();
  }

  function moveTo(at) {
    const to = Math.max(0, Math.min(seconds, at));
    audios.forEach((audio) => { audio.currentTime = to; });
    showPosition();
  }

  async function start() {
    players.forEach((other) => { if (other !== self) other.stop(); });
    if (currentTime() >= seconds - 0.05) moveTo(0);
    playing = true;
    error.hidden = true;
    showState();
    audios.forEach((audio, index) => { if (index !== selected) audio.play().catch(() => {}); });
    try {
      await audios[selected].play();
    } catch (reason) {
      if (reason.name === "AbortError") return;
      stop();
      error.textContent = `${audios[selected].getAttribute("src")} cannot be played: ${reason.message}`;
      error.hidden = false;
      return;
    }
    clearInterval(timer);
    timer = setInterval(synchronize, TICK);
    requestAnimationFrame(drawFrame);
  }

  function stop() {
    playing = false;
    clearInterval(timer);
    audios.forEach((audio) => audio.pause());
    showState();
    showPosition();
  }

  function showState() {
    play.textContent = playing ? "Pause" : "Play";
    play.setAttribute("aria-label", `${play.textContent} ${name}`);
  }

  function drawFrame() {
    if (!playing) return;
    showPosition();
    requestAnimationFrame(drawFrame);
  }

  function handleKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const onButton = event.target.closest("button"), onSlider = event.target === seek;
    const recording = Number(event.key) - 1;
    if (event.key === " " && !onButton) toggle();
    else if (recording >= 0 && recording < buttons.length) selectRecording(recording);
    else if (event.key === "ArrowLeft" && !onSlider) moveTo(currentTime() - STEP);
    else if (event.key === "ArrowRight" && !onSlider) moveTo(currentTime() + STEP);
    else return;
    event.preventDefault();
  }

  const toggle = () => (playing ? stop() : start());

  play.addEventListener("click", toggle);
  buttons.forEach((button, index) => button.addEventListener("click", () => selectRecording(index)));
  seek.addEventListener("input", () => moveTo(Number(seek.value)));
  track.addEventListener("keydown", handleKey);
  audios.forEach((audio, index) => audio.addEventListener("ended", () => { if (index === selected) stop(); }));
  audios.forEach((audio, index) => audio.addEventListener("error", () => {
    if (index === selected && playing) stop();
    error.textContent = `${audio.getAttribute("src")} cannot be read: the folder audio must be beside the page`;
    error.hidden = false;
  }));
  track.querySelectorAll(".sdr .plot, .wave .plot, .spectrogram .plot").forEach((plot) =>
    plot.addEventListener("click", (event) => {
      const box = plot.getBoundingClientRect();
      moveTo(seconds * (event.clientX - box.left) / box.width);
    }));

  const self = { stop };
  selectRecording(0);
  return self;
}

function formatTime(at) {
  const seconds = Math.floor(at + 0.001);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
