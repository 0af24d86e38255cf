// Part of asrkit, Apache-2.0. What the page asks of the server.
import { decoded } from "./recorder.js";

/** Ask, and give the JSON that comes; throws an Error with the server's words and its `status`. */
export async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer: is asrkit serve still running?");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(said.error || `status ${answer.status}`), { status: answer.status });
  return said;
}

/** Hear a recording (Blob); what the server can't read the browser decodes. */
export async function hear(blob, mostBytes) {
  if (blob.size > mostBytes) throw new Error(`${Math.round(blob.size / 1e6)} MB: a recording is of one word`);
  try {
    return { heard: await ask("/api/hear", blob), sound: blob };
  } catch (error) {
    if (error.status !== 415) throw error;
    const sound = await decoded(blob).catch(() => { throw error; });
    return { heard: await ask("/api/hear", sound), sound };
  }
}

/** A Blob in base64. */
export async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}
