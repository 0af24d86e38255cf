// Part of asrkit, Apache-2.0. The page: what was heard, and what makes it hear.
import { ask, hear } from "./api.js";
import { Live } from "./live.js";
import { Microphone, holdable, loudness, wav } from "./recorder.js";
import { teaching } from "./teach.js";

const $ = (id) => document.getElementById(id);
const make = (tag, text = "") => Object.assign(document.createElement(tag), { textContent: text });
const percent = (p) => (p === null || p === undefined ? "" : `${(100 * p).toFixed(p > 0.995 ? 1 : 0)} %`);

const microphone = new Microphone();
let model = { sound_s: 30, sound_bytes: 12e6, most_taught: 10, words: [] };
let shown = null; // {heard, sound}: what the picture is of
let live = null;

// The token is a cookie now, and need not stand in the address.
if (location.search) history.replaceState(null, "", "/");

const status = (text) => { $("status").textContent = text; };
const trouble = (text) => { $("trouble").textContent = text; };
const quiet = () => { $("level").style.transform = "scaleX(0)"; };
const onBlock = (block) => { $("level").style.transform = `scaleX(${loudness(block)})`; };

/** Say the word, and how sure it is. */
function say(word, p, nearest) {
  const unknown = word === "<unk>", known = p !== null && p !== undefined;
  $("word").textContent = unknown ? "not a word I know" : word;
  const near = nearest ? `nearest: ${nearest}${known ? ` (${percent(p)})` : ""}` : "";
  $("sure").textContent = unknown ? near : known ? `${percent(p)} sure` : "";
}

const nearestOf = (ranked) => (ranked.find((one) => one.word !== "<unk>") || {}).word;

/** Show all that is known of a recording. */
function show(heard, sound) {
  shown = { heard, sound };
  say(heard.word, heard.p, nearestOf(heard.ranked));
  $("notes").replaceChildren(...(heard.notes || []).map((note) => make("li", note)));
  $("why").hidden = false;
  $("play").hidden = !sound;
  $("caption").textContent = heard.why;
  $("figure").setAttribute("aria-label", `Waveform, spectrogram and paths. ${heard.why}`);
  $("ranked").tBodies[0].replaceChildren(...heard.ranked.map((one) => {
    const row = make("tr"), sure = make("td", percent(one.p) || "–"), score = one.log_likelihood;
    const head = make("th", one.word === "<unk>" ? "none of them" : one.word);
    head.scope = "row";
    row.append(head, sure, make("td", score === null ? "–" : score.toFixed(1)));
    return row;
  }));
  redraw();
}

let across = null; // seconds to pixels of the picture
const redraw = () => { if (shown) across = Draw.draw($("figure"), shown.heard); };
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

async function hearBlob(blob) {
  quiet();
  trouble("");
  status("Hearing …");
  try {
    const { heard, sound } = await hear(blob, model.sound_bytes);
    show(heard, sound);
    status("");
  } catch (error) {
    status("");
    trouble(error.message);
  }
}

const hold = holdable($("hold"), {
  microphone,
  mostSeconds: () => model.sound_s,
  begin: () => { trouble(""); status("Listening: say one word."); },
  done: hearBlob,
  fail: (error) => { status(""); trouble(error.message); },
  onBlock,
});

// The space bar anywhere, but where it types or presses something.
const isFree = (event) => event.key === " " && (event.target === document.body || event.target.tagName === "SECTION");
addEventListener("keydown", (event) => { if (isFree(event)) { event.preventDefault(); if (!event.repeat) hold.press(); } });
addEventListener("keyup", (event) => { if (isFree(event)) { event.preventDefault(); hold.release(); } });

$("file").onchange = (event) => {
  if (event.target.files[0]) hearBlob(event.target.files[0]);
  event.target.value = "";
};
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  if (event.dataTransfer.files[0]) hearBlob(event.dataTransfer.files[0]);
});

$("play").onclick = () => {
  const sound = new Audio(URL.createObjectURL(shown.sound)), { heard } = shown;
  const follow = () => {
    const over = sound.ended || sound.paused || shown.heard !== heard;
    $("cursor").style.display = over ? "none" : "block";
    if (over) { URL.revokeObjectURL(sound.src); return; }
    $("cursor").style.left = `${across(Math.min(sound.currentTime, heard.duration_s))}px`;
    requestAnimationFrame(follow);
  };
  sound.onplaying = follow;
  sound.play();
};

// Hands-free

const items = new Map(); // start of a word in the stream -> its place in the list
let kept = []; // blocks of the stream, so that a word can be played
let first = 0; // sample with which they begin

function keep(block) {
  kept.push(block);
  while (kept.length > 1500) first += kept.shift().length;
}

function cut(start, end) {
  const rate = microphone.rate, from = start * rate, to = end * rate;
  let at = first;
  const blocks = kept.filter((block) => { at += block.length; return at > from && at - block.length < to; });
  return wav(blocks, rate);
}

function onWord(message, after) {
  say(message.word, message.p, nearestOf(message.ranked));
  const item = make("li"), button = make("button");
  button.type = "button";
  button.append(make("span", message.word === "<unk>" ? "not a word I know" : message.word), make("span", message.word === "<unk>" ? "" : percent(message.p)));
  button.disabled = true;
  item.append(button);
  Object.assign(item.dataset, { word: message.word, after: after.toFixed(1), end: message.end });
  item.title = `${Math.round(after)} ms after it ended`;
  $("log").prepend(item);
  while ($("log").children.length > 100) $("log").lastChild.remove();
  items.set(message.start, { button, message });
  if (items.size > 100) items.delete(items.keys().next().value);
}

function onWhy({ start, why }) {
  const item = items.get(start);
  if (!item) return;
  const heard = { ...why, word: item.message.word, p: item.message.p, ranked: item.message.ranked };
  const sound = cut(item.message.start, item.message.end);
  item.button.disabled = false;
  item.button.onclick = () => show(heard, sound);
  if ([...items.keys()].pop() === start) show(heard, sound);
}

$("free").onclick = async () => {
  if (live) { live.stop(); return; }
  trouble("");
  $("free").setAttribute("aria-pressed", "true");
  kept = [];
  first = 0;
  items.clear();
  live = new Live(microphone, {
    onReady: () => status("Hands-free: say words, with a pause between them."),
    onBlock: (block) => { onBlock(block); keep(block); },
    onWord,
    onWhy,
    onSpeaking: (on) => { $("level").classList.toggle("speaking", on); },
    onNote: (text) => $("notes").replaceChildren(make("li", text)),
    onEnd: (why) => {
      live = null;
      quiet();
      $("free").setAttribute("aria-pressed", "false");
      status("");
      trouble(why);
    },
  });
  try {
    await live.start();
  } catch (error) {
    if (live) live.end(error.message);
  }
};

// The model

async function refresh() {
  model = await ask("/api/model");
  const words = `${model.words.length} word${model.words.length === 1 ? "" : "s"}`;
  $("about").textContent = `${model.name}: ${model.family}, ${words}`;
  document.title = `asrkit: ${model.name}`;
  $("report").hidden = !model.report;
  if (model.keeps) $("keeps").textContent = "Recordings are kept, in the folder that it was given.";
  showModel(model);
}

const showModel = teaching({ microphone, status, trouble, refresh, onBlock, model: () => model });
refresh().catch((error) => trouble(error.message));
