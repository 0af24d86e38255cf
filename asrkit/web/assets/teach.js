// Part of asrkit, Apache-2.0. Teach a word, see what that does to the others, forget one.
import { ask, base64 } from "./api.js";
import { decoded, holdable } from "./recorder.js";

const $ = (id) => document.getElementById(id);
const make = (tag, text = "", more = {}) => Object.assign(document.createElement(tag), { textContent: text }, more);

/** Wire that part of the page; `refresh()` is called when the model is another one. Gives what shows a model. */
export function teaching({ microphone, status, trouble, refresh, onBlock, model }) {
  let recordings = []; // {sound, name}

  const add = (sound, name) => {
    if (recordings.length >= model().most_taught) {
      trouble(`a word is taught at most ${model().most_taught} recordings`);
      return;
    }
    recordings.push({ sound, name });
    status(`Recording ${recordings.length} is there.`);
    list();
  };

  const list = () => {
    $("teach-list").replaceChildren(...recordings.map((one, index) => {
      const item = make("li"), row = make("div");
      const play = make("button", "Play", { type: "button", className: "small" });
      play.setAttribute("aria-label", `Play recording ${index + 1}`);
      play.onclick = () => {
        const sound = new Audio(URL.createObjectURL(one.sound));
        sound.onended = () => URL.revokeObjectURL(sound.src);
        sound.play();
      };
      const remove = make("button", "Remove", { type: "button", className: "small" });
      remove.setAttribute("aria-label", `Remove recording ${index + 1}`);
      remove.onclick = () => { recordings.splice(index, 1); list(); $("teach-record").focus(); };
      row.append(make("span", one.name), play, remove);
      item.append(row);
      return item;
    }));
  };

  holdable($("teach-record"), {
    microphone,
    mostSeconds: () => model().sound_s,
    begin: () => status("Recording: say the word once."),
    done: (sound) => add(sound, `said, ${((sound.size - 44) / 2 / microphone.rate).toFixed(1)} s`),
    fail: (error) => trouble(error.message),
    onBlock,
  });

  $("teach-files").onchange = async (event) => {
    for (const file of event.target.files) {
      if (file.size > model().sound_bytes) trouble(`${file.name}: too large, a recording is of one word`);
      else if (/\.(wav|flac|ogg|mp3)$/i.test(file.name)) add(file, file.name);
      else await decoded(file).then((sound) => add(sound, file.name), () => trouble(`${file.name}: this browser can't decode it`));
    }
    event.target.value = "";
  };

  const teach = async (keep) => {
    trouble("");
    const word = $("teach-word").value.trim();
    if (!word) { trouble("Which word? Write it first."); $("teach-word").focus(); return; }
    if (!recordings.length) { trouble("Record it first, three times or more."); $("teach-record").focus(); return; }
    for (const button of [$("teach-try"), $("teach-keep")]) button.disabled = true;
    status(keep ? "Teaching …" : "Trying …");
    try {
      const sounds = await Promise.all(recordings.map((one) => base64(one.sound)));
      const said = await ask("/api/teach", JSON.stringify({ word, recordings: sounds, keep }));
      tell(said);
      if (keep) {
        recordings = [];
        list();
        await refresh();
      }
      status(keep ? `“${word}” was taught.` : "Nothing was changed: this is what it would do.");
    } catch (error) {
      status("");
      trouble(error.message);
    } finally {
      for (const button of [$("teach-try"), $("teach-keep")]) button.disabled = false;
    }
  };

  const tell = (said) => {
    const drawn = Object.entries(said.drawn);
    const lines = said.lines.map((line) => make("p", line, { className: drawn.length && line.includes("now heard as") ? "drawn" : "" }));
    const title = make("p", said.kept ? "Taught:" : "It would be so (nothing is changed yet):");
    $("teach-said").replaceChildren(title, ...lines, ...said.notes.map((note) => make("p", note)));
  };

  $("teach-try").onclick = () => teach(false);
  $("teach-form").onsubmit = (event) => { event.preventDefault(); teach(true); };

  const forget = async (word, onlyTaught) => {
    $("sure-text").textContent = onlyTaught ? `Forget what “${word}” was taught? It is then as it was trained.` : `Forget “${word}”? A word that was trained can only be trained again.`;
    $("sure-dialog").showModal();
    await new Promise((resolve) => { $("sure-dialog").onclose = resolve; });
    if ($("sure-dialog").returnValue !== "yes") return;
    try {
      const said = await ask("/api/forget", JSON.stringify({ word, only_taught: onlyTaught }));
      status(said.lines.join(" "));
      await refresh();
      $("words-title").focus();
    } catch (error) {
      trouble(error.message);
    }
  };

  return (about) => {
    $("teach-not").hidden = !about.why_not_teachable;
    $("teach-not").textContent = about.why_not_teachable || "";
    $("teach-form").hidden = Boolean(about.why_not_teachable);
    $("words").replaceChildren(...about.words.map(({ word, taught, trained }) => {
      const item = make("li"), name = make("span", `${word} `);
      if (taught) name.append(make("small", `${taught} taught`));
      item.append(name);
      const button = (text, label, onlyTaught) => {
        const one = make("button", text, { type: "button", className: "small" });
        one.setAttribute("aria-label", label);
        one.onclick = () => forget(word, onlyTaught);
        item.append(one);
      };
      if (taught && trained) button("Untaught", `Forget what ${word} was taught`, true);
      button("Forget", `Forget ${word}`, false);
      return item;
    }));
    if (!about.words.length) $("words").append(make("li", "None yet: teach the first one."));
  };
}
