// Plays recordings that are held in the page, or a part of one; never two at once. They are decoded whole: a media element can't seek in so short a FLAC.
"use strict";

const Player = (() => {
  let context = null, asked = 0, current = null; // { source, begun, from_s, moved, ended }

  function stop() {
    asked++;
    const own = current;
    current = null;
    delete document.documentElement.dataset.playing;
    if (!own) return;
    own.source.onended = null;
    own.source.stop();
    own.moved(null);
    own.ended();
  }

  // `moved` is told the second that is heard, and null at the end; `ended` is called then, too.
  async function play(base64, from_s, to_s, moved, ended) {
    stop();
    const mine = asked;
    context = context || new AudioContext();
    let sound;
    try {
      const text = atob(base64);
      sound = await context.decodeAudioData(Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer);
      await context.resume();
    } catch (error) {
      console.error(error);
    }
    if (mine !== asked || !sound) return mine === asked && !sound ? ended() : undefined;
    const end_s = Math.min(to_s || sound.duration, sound.duration), source = new AudioBufferSourceNode(context, { buffer: sound });
    source.connect(context.destination);
    source.onended = () => {
      document.documentElement.dataset.played = String(end_s - from_s);
      stop();
    };
    source.start(0, from_s, end_s - from_s);
    current = { source, begun: context.currentTime, from_s, moved, ended };
    document.documentElement.dataset.playing = "true";
    requestAnimationFrame(follow);
  }

  function follow() {
    if (!current) return;
    current.moved(current.from_s + context.currentTime - current.begun);
    requestAnimationFrame(follow);
  }

  return { play, stop };
})();
