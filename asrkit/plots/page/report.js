// The report's page: tables that sort and filter, cells and rows that open their recordings. All numbers come from asrkit.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const node = (tag, text, names) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (names) made.className = names;
    return made;
  };

  // Sound: the recordings stand behind the scripts, in the order of data.sounds.
  const place = new Map(data.sounds.map((utt, number) => [utt, number]));
  const source = (utt) => place.has(utt);
  let playing = null; // { utt, button }

  function play(utt, button, start_s, end_s) {
    const same = playing && playing.utt === utt && playing.button === button && button;
    Player.stop();
    const held = $("blob-" + place.get(utt));
    if (same || !held) return;
    const figures = document.querySelectorAll(`tr.detail[data-utt="${CSS.escape(utt)}"] .figure`);
    const moved = (seconds) => figures.forEach((figure) => figure.moved(seconds));
    playing = { utt, button };
    if (button) button.textContent = "■";
    Player.play(held.textContent, start_s || 0, end_s, moved, () => {
      if (button) button.textContent = "▶";
      playing = null;
    });
  }

  function playButton(utt, name) {
    if (!source(utt)) return node("span", "–", "soft");
    const button = node("button", "▶", "do play");
    button.type = "button";
    button.setAttribute("aria-label", "play " + (name || utt));
    button.addEventListener("click", () => play(utt, button));
    return button;
  }
  for (const button of document.querySelectorAll("button[data-play]")) {
    const utt = button.dataset.play;
    if (source(utt)) button.addEventListener("click", () => play(utt, button));
    else button.replaceWith(node("span", "–", "soft"));
  }

  // Tables that sort: a click on a column's name, again for the other way.
  for (const table of document.querySelectorAll("table.sorts")) {
    [...table.tHead.rows[0].cells].forEach((cell, place) => {
      const button = cell.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const up = cell.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
        cell.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => row.cells[place].dataset.value ?? row.cells[place].textContent;
        const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("detail"));
        const numeric = cell.classList.contains("n"), number = (text) => (text === "" ? -Infinity : Number(text));
        rows.sort((a, b) => (numeric ? number(value(a)) - number(value(b)) : value(a).localeCompare(value(b), undefined, { numeric: true })) * (up ? 1 : -1));
        for (const row of rows) {
          const detail = row.nextElementSibling && row.nextElementSibling.classList.contains("detail") && row.nextElementSibling.dataset.utt === row.dataset.utt ? row.nextElementSibling : null;
          table.tBodies[0].append(row);
          if (detail) table.tBodies[0].append(detail);
        }
      });
    });
  }

  // The errors: filters, and a row's detail below it.
  const body = $("error-rows"), rows = body ? [...body.rows] : [];
  const byUtt = new Map(rows.map((row) => [row.dataset.utt, row]));
  const filters = { text: $("find"), said: $("said"), heard: $("heard"), speaker: $("speaker"), system: $("system") };

  function shows(row) {
    const one = data.cases[row.dataset.utt], text = filters.text.value.trim().toLowerCase();
    if (text && !(row.dataset.utt + " " + one.speaker + " " + one.said).toLowerCase().includes(text)) return false;
    if (filters.said.value && one.said !== filters.said.value) return false;
    if (filters.speaker.value && one.speaker !== filters.speaker.value) return false;
    const system = filters.system ? filters.system.value : "";
    const by = Object.entries(one.systems).filter(([name]) => !system || name === system);
    return by.some(([, own]) => !filters.heard.value || own.heard === filters.heard.value);
  }

  function filter() {
    let count = 0;
    for (const row of rows) {
      row.hidden = !shows(row);
      if (row.hidden) close(row);
      else count++;
    }
    $("count").textContent = `${count} of ${rows.length} errors`;
  }

  function close(row) {
    const detail = row.nextElementSibling;
    if (detail && detail.classList.contains("detail") && detail.dataset.utt === row.dataset.utt) {
      if (playing && playing.utt === row.dataset.utt) Player.stop();
      detail.remove();
    }
    row.querySelector("button.open").setAttribute("aria-expanded", "false");
  }

  const isOpen = (row) => row.querySelector("button.open").getAttribute("aria-expanded") === "true";

  function picture(one, own) {
    return { ...one.picture, contrast: own.contrast, start_s: one.start_s, end_s: undefined, frame_shift_s: one.frame_shift_s, duration_s: one.duration_s, symbols: null, error: true };
  }

  function figure(utt, one, own) {
    const box = node("div", undefined, "figure"), canvas = node("canvas"), cursor = node("div", undefined, "cursor");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", own.why);
    box.append(canvas, cursor);
    const shown = picture(one, own);
    let across = null;
    box.redraw = () => (across = Draw.draw(canvas, shown));
    box.moved = (seconds) => {
      cursor.style.display = seconds === null ? "none" : "block";
      if (seconds !== null) cursor.style.left = across(Math.min(seconds, one.duration_s)) + "px";
    };
    return box;
  }

  function stateTable(one, own) {
    const details = node("details"), table = node("table");
    details.append(node("summary", "The two paths as a table"), table);
    table.createCaption().textContent = "States and frames of each word's best path; nats for the word that was heard";
    const head = table.createTHead().insertRow();
    for (const title of ["word", "state", "from s", "to s", "nats"]) {
      const cell = node("th", title);
      cell.scope = "col";
      head.append(cell);
    }
    const rows = table.createTBody(), difference = own.contrast.difference;
    for (const path of [own.contrast.other, own.contrast.winner]) {
      for (const part of Draw.segments(path.states)) {
        const row = rows.insertRow(), sum = difference.slice(part.start, part.end).reduce((a, b) => a + b, 0);
        const second = (t) => (one.start_s + t * one.frame_shift_s).toFixed(2);
        for (const text of [path.word, part.state + 1, second(part.start), second(part.end), sum.toFixed(1)]) row.insertCell().textContent = text;
      }
    }
    return details;
  }

  function open(row) {
    if (isOpen(row)) return;
    const utt = row.dataset.utt, one = data.cases[utt];
    const detail = node("tr", undefined, "detail"), whole = detail.insertCell(), cell = node("div", undefined, "inner");
    detail.dataset.utt = utt;
    whole.colSpan = row.cells.length;
    whole.append(cell);
    const figures = [];
    for (const [name, own] of Object.entries(one.systems)) {
      if (Object.keys(one.systems).length > 1) cell.append(node("h3", name));
      cell.append(node("p", own.why, "why"));
      const tools = node("div", undefined, "tools noprint");
      if (source(utt)) {
        const all = node("button", "Play all", "do");
        all.type = "button";
        all.addEventListener("click", () => play(utt, null));
        tools.append(all);
        if (own.contrast && own.contrast.decided[1] > own.contrast.decided[0]) {
          const [first, last] = own.contrast.decided, part = node("button", "Play the stretch that decided", "do");
          part.type = "button";
          part.addEventListener("click", () => play(utt, null, one.start_s + first * one.frame_shift_s, one.start_s + (last + 1) * one.frame_shift_s + 0.02));
          tools.append(part);
        }
      }
      cell.append(tools);
      if (own.contrast || one.picture.spectrogram) {
        const box = figure(utt, one, own);
        figures.push(box);
        cell.append(box);
        if (own.contrast) cell.append(node("p", "Below the spectrogram: the states of the two words. Bars: what each frame adds for the one (up) or the other (down). Line: their sum so far. Coloured: the stretch that decided.", "soft why"));
      }
      if (own.contrast) cell.append(stateTable(one, own));
    }
    if (one.neighbours.length) {
      cell.append(node("h3", "In the training these sound most like it (distance by time warping)"));
      const list = node("ul", undefined, "list");
      for (const near of one.neighbours) {
        const item = node("li");
        const word = node("span", near.word, near.word === one.said ? "said" : "heard");
        item.append(playButton(near.sound, near.utt), " ", word, ` ${near.utt} (${near.speaker}), ${near.distance.toFixed(2)}`);
        list.append(item);
      }
      cell.append(list);
    }
    row.after(detail);
    row.querySelector("button.open").setAttribute("aria-expanded", "true");
    fit(cell);
    for (const box of figures) box.redraw();
  }

  // A detail is as wide as what is seen of the table, which may be wider.
  function fit(cell) {
    cell.style.width = cell.closest(".scroll").clientWidth - 20 + "px";
  }

  function toggle(row) {
    if (isOpen(row)) close(row);
    else open(row);
  }

  function mark(row, scroll) {
    for (const other of rows) other.classList.toggle("here", other === row);
    row.querySelector("button.open").focus({ preventScroll: true });
    if (scroll) row.scrollIntoView({ block: "center" });
  }

  function goTo(utt) {
    const row = byUtt.get(utt);
    if (!row) return false;
    if (row.hidden) {
      for (const field of Object.values(filters)) if (field) field.value = "";
      filter();
    }
    open(row);
    mark(row, true);
    return true;
  }

  for (const row of rows) {
    row.querySelector("button.open").addEventListener("click", () => {
      toggle(row);
      mark(row, false);
    });
  }
  if (body) {
    for (const field of Object.values(filters)) if (field) field.addEventListener("input", filter);
    $("clear").addEventListener("click", () => {
      for (const field of Object.values(filters)) if (field) field.value = "";
      filter();
    });
    $("open-all").addEventListener("click", () => rows.filter((row) => !row.hidden).forEach(open));
    $("close-all").addEventListener("click", () => rows.forEach(close));
    filter();
  }
  for (const link of document.querySelectorAll("a[data-utt]")) {
    link.addEventListener("click", (event) => {
      if (goTo(link.dataset.utt)) event.preventDefault();
    });
  }

  const next = document.querySelector("a[rel=next]"); // further errors; only the first page knows all utterances

  // A cell of a confusion matrix opens the list of its recordings.
  for (const button of document.querySelectorAll(".matrix button")) {
    button.addEventListener("click", () => {
      const system = Number(button.dataset.system), said = button.dataset.said, heard = button.dataset.heard;
      const own = data.utts.filter((one) => one[2] === said && (one[3][system] ?? "") === heard);
      const panel = $("cell"), list = node("ul", undefined, "list");
      panel.replaceChildren(node("h3", `${data.systems.length > 1 ? data.systems[system] + ": " : ""}‘${said}’ heard as ${heard === "" ? "no word" : "‘" + heard + "’"}: ${own.length}`));
      for (const [utt, speaker] of own.slice(0, 500)) {
        const item = node("li");
        item.append(playButton(utt), " ");
        if (byUtt.has(utt)) {
          const link = node("a", utt);
          link.href = "#errors";
          link.addEventListener("click", (event) => {
            event.preventDefault();
            goTo(utt);
          });
          item.append(link);
        } else if (next && said !== heard) {
          const link = node("a", utt);
          link.href = "#utt=" + encodeURIComponent(utt);
          item.append(link);
        } else item.append(utt);
        item.append(" (" + data.speakers[speaker] + ")");
        list.append(item);
      }
      panel.append(list);
      if (own.length > 500) panel.append(node("p", `and ${own.length - 500} more`));
      panel.hidden = false;
      panel.focus();
    });
  }

  // Keys, where nothing is being typed.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const shown = [...(body ? body.rows : [])].filter((row) => !row.hidden && !row.classList.contains("detail"));
    const place = shown.findIndex((row) => row.classList.contains("here"));
    const here = shown[place];
    if (event.key === "j" || event.key === "k") {
      const next = shown[Math.max(0, Math.min(shown.length - 1, place + (event.key === "j" ? 1 : place < 0 ? 1 : -1)))];
      if (next) mark(next, true);
    } else if (event.key === "o" && here) toggle(here);
    else if (event.key === "p" && here) play(here.dataset.utt, here.querySelector("button.play"));
    else if (event.key === "/" && body) filters.text.focus();
    else if (event.key === "Escape") Player.stop();
    else return;
    event.preventDefault();
  });

  const redraw = () => {
    document.querySelectorAll(".inner").forEach(fit);
    document.querySelectorAll(".figure").forEach((box) => box.redraw());
  };
  let waiting = 0;
  window.addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(redraw);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.matchMedia("print").addEventListener("change", redraw);

  function goToAsked() {
    const asked = /^#utt=(.+)$/.exec(location.hash);
    try {
      if (!asked) return;
      const utt = decodeURIComponent(asked[1]), elsewhere = ([own, , said, heard]) => own === utt && heard.some((word) => word !== said);
      if (!goTo(utt) && next && (!data.utts.length || data.utts.some(elsewhere))) location.replace(next.href + location.hash);
    } catch (error) {
      if (!(error instanceof URIError)) throw error;
    }
  }
  window.addEventListener("hashchange", goToAsked);
  goToAsked();
  document.documentElement.dataset.ready = "true";
})();
