// The page of one recording: the picture, its sound, and a line that follows it.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent), box = document.querySelector(".figure");
  const canvas = box.querySelector("canvas"), cursor = box.querySelector(".cursor");
  let place = null;

  const redraw = () => (place = Draw.draw(canvas, data));

  function moved(seconds) {
    cursor.style.display = seconds === null ? "none" : "block";
    if (seconds !== null) cursor.style.left = place(Math.min(seconds, data.duration_s)) + "px";
  }

  for (const button of document.querySelectorAll("button[data-from]")) {
    button.addEventListener("click", () => {
      const held = document.getElementById("blob-0").textContent;
      Player.play(held, Number(button.dataset.from), Number(button.dataset.to), moved, () => {});
    });
  }
  window.addEventListener("resize", redraw);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) window.matchMedia(query).addEventListener("change", redraw);
  redraw();
  document.documentElement.dataset.ready = "true";
})();
