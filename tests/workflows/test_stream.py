"""Recognizer.stream: sound in, piece by piece; words out, as a batch would hear them."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from streams import random_words, stream_of
from synthetic import RATE_HZ, word_samples

import asrkit
from asrkit.audio.endpoint import EndpointConfig
from asrkit.audio.word_detector import WordDetectorConfig
from asrkit.errors import AsrkitError, DataError
from asrkit.words.confidence import LEARNED, UNKNOWN
from asrkit.workflows.recognizer import Recognizer
from asrkit.workflows.stream import HeardWord

KNOWN = ("one", "three", "two")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Three words of four speakers, with confidence."""
    recordings, speakers = [], []
    for word in KNOWN:
        for s in range(4):
            for take in range(6):
                rng = np.random.default_rng([s, KNOWN.index(word), take])
                recordings.append((word_samples(word, rng, 100 + 40 * s), word))
                speakers.append(f"s{s}")
    folder = tmp_path_factory.mktemp("model")
    words = {word: [sound for sound, own in recordings if own == word] for word in KNOWN}
    asrkit.train(words, rate_hz=RATE_HZ, family="chmm", num_states=4, warps="").save(folder)
    return folder


@pytest.fixture(scope="module")
def sound():
    rng = np.random.default_rng(1)
    words = random_words(rng, 14, KNOWN)
    samples, places = stream_of(words, rng)
    return samples, words, places


def hear(stream, samples, size=160):
    heard = [
        word for start in range(0, len(samples), size) for word in stream.push(samples[start : start + size])
    ]
    return heard + stream.close()


def test_words_come_in_their_order_with_their_places(model, sound):
    samples, words, places = sound
    heard = hear(asrkit.load(model).stream(), samples)
    assert [own.word for own in heard] == words
    for own, (start, end) in zip(heard, places, strict=True):
        assert abs(own.start_s - start / RATE_HZ) < 0.15 and abs(own.end_s - end / RATE_HZ) < 0.15
        assert 0 < own.confidence <= 1


@pytest.mark.parametrize("endpoint", [None, EndpointConfig()])
def test_it_is_what_a_batch_hears_in_the_same_stretch(model, sound, endpoint):
    vocabulary = asrkit.load(model).vocabulary
    recognizer = Recognizer(replace(vocabulary, frontend=replace(vocabulary.frontend, endpoint=endpoint)))
    heard = hear(recognizer.stream(), sound[0])
    assert len(heard) == len(sound[1])
    for own in heard:
        stretch = sound[0][round(own.start_s * RATE_HZ) : round(own.end_s * RATE_HZ)]
        batch = recognizer.recognize(stretch, RATE_HZ, endpoint=False)
        assert own.hypothesis == batch and own.confidence == batch.confidence


def test_ends_are_as_the_training_had_them(model):
    """Where it was trimmed, digital silence is cut off; where endpoints were found, their padding is kept."""
    rng = np.random.default_rng(4)
    samples, places = stream_of(random_words(rng, 5, KNOWN), rng, noise=0.0)
    vocabulary = asrkit.load(model).vocabulary
    frontend = replace(vocabulary.frontend, endpoint=EndpointConfig(padding_ms=100))
    for own, low_s, high_s in (
        (Recognizer(vocabulary), -0.02, 0.03),
        (Recognizer(replace(vocabulary, frontend=frontend)), 0.09, 0.2),
    ):
        for heard, (start, end) in zip(hear(own.stream(), samples), places, strict=True):
            assert low_s < start / RATE_HZ - heard.start_s < high_s
            assert low_s < heard.end_s - end / RATE_HZ < high_s


def test_what_lasts_too_long_teaches_nothing(model, sound, monkeypatch):
    monkeypatch.setattr("asrkit.words.confidence.LONGEST", 0.1)
    recognizer = asrkit.load(model)
    speaker = recognizer.speaker()
    heard = hear(recognizer.stream(speaker=speaker), sound[0])
    assert {(own.word, own.confidence) for own in heard} == {(UNKNOWN, 0.0)}
    assert max(own.hypothesis.confidence for own in heard) > LEARNED and speaker.memory.recordings == 0


def test_it_keeps_no_more_than_a_word_may_need(model):
    stream, rng = asrkit.load(model).stream(), np.random.default_rng(5)
    for second in range(1, 10):
        assert stream.push(0.001 * rng.standard_normal(RATE_HZ)) == []
        assert stream.position_s == second and stream._kept.size < RATE_HZ


def test_pieces_of_any_size_and_integers_give_the_same(model, sound):
    recognizer, samples = asrkit.load(model), sound[0]
    sixteen = np.round(samples * 32768).astype(np.int16)
    once = hear(recognizer.stream(), sixteen, len(sixteen))
    assert once == hear(recognizer.stream(), sixteen, 97) == hear(recognizer.stream(), sixteen / 32768, 8000)


def test_sound_at_another_rate_is_resampled_as_it_comes(model, sound):
    import soxr

    faster, stream = soxr.resample(sound[0], RATE_HZ, 44100), asrkit.load(model).stream(rate_hz=44100)
    heard = hear(stream, faster, 441)
    assert stream.position_s == pytest.approx(len(sound[0]) / RATE_HZ, abs=1e-3)
    assert [own.word for own in heard] == sound[1]
    assert all(
        abs(own.start_s - start / RATE_HZ) < 0.15 for own, (start, _) in zip(heard, sound[2], strict=True)
    )


def test_what_was_heard_helps_as_it_does_in_a_batch(model, sound):
    recognizer = asrkit.load(model)
    careful = asrkit.load(model, min_confidence=LEARNED)  # which learns of the same
    speaker, other = recognizer.speaker(), careful.speaker()
    heard = hear(recognizer.stream(speaker=speaker), sound[0])
    assert 3 < speaker.memory.recordings <= len(sound[1])
    for own in heard:
        stretch = sound[0][round(own.start_s * RATE_HZ) : round(own.end_s * RATE_HZ)]
        batch = careful.recognize(stretch, RATE_HZ, endpoint=False, speaker=other)
        assert (own.hypothesis.scores, own.confidence) == (batch.scores, batch.confidence)
    np.testing.assert_array_equal(speaker.memory.stats, other.memory.stats)
    assert speaker.memory.recordings == sum(own.confidence >= LEARNED for own in heard)


def test_what_is_no_word_is_said_to_be_none(model):
    rng = np.random.default_rng(2)
    cough = 0.3 * rng.standard_normal(2800) * np.exp(-np.arange(2800) / 800)
    samples, _ = stream_of(["one", cough, "two", cough], rng)
    speaker = asrkit.load(model).speaker()
    heard = hear(asrkit.load(model, min_confidence=0.6).stream(speaker=speaker), samples)
    assert [own.word for own in heard] == ["one", UNKNOWN, "two", UNKNOWN]
    assert heard[1].hypothesis.word == UNKNOWN and heard[1].confidence < 0.6
    assert speaker.memory.recordings == sum(own.confidence >= LEARNED for own in heard)


def test_what_lasts_too_long_or_not_long_enough_is_no_word(model):
    rng = np.random.default_rng(3)
    pause = 0.002 * rng.standard_normal(RATE_HZ)
    long = np.concatenate([word_samples("three", rng) for _ in range(8)])
    short = 0.3 * np.sin(np.arange(700))
    samples = np.concatenate([pause, long, pause, short, pause])
    recognizer = asrkit.load(model)
    speaker = recognizer.speaker()
    talk, blip = hear(recognizer.stream(speaker=speaker), samples)
    assert (talk.word, talk.confidence) == (UNKNOWN, 0.0) and talk.hypothesis is not None
    assert blip.word == UNKNOWN or blip.end_s - blip.start_s > 0.04
    assert speaker.memory.recordings <= 1


def test_the_word_in_which_it_ends_is_heard_as_far_as_it_came(model, sound):
    samples, words, places = sound
    stream = asrkit.load(model).stream()
    early = stream.push(samples[: places[3][1] - 400])
    assert stream.speaking and [own.word for own in early] == words[:3]
    (last,) = stream.close()
    assert last.word == words[3] and stream.close() == []
    with pytest.raises(DataError, match="closed"):
        stream.push(samples)


def test_what_is_no_sound_is_refused_and_the_stream_goes_on(model, sound):
    samples, words, _ = sound
    stream, heard = asrkit.load(model).stream(), []
    for start in range(0, len(samples), 800):
        heard += stream.push(samples[start : start + 800])
        for bad in (np.full(80, np.nan), np.zeros((80, 2)), [0.0], None, 100 * np.ones(5)):
            with pytest.raises(AsrkitError):
                stream.push(bad)
        assert stream.push(np.zeros(0)) == []
    assert stream.position_s == pytest.approx(len(samples) / RATE_HZ)
    assert [own.word for own in heard + stream.close()] == words


def test_a_poor_level_is_said_once(model, sound, caplog):
    samples = sound[0]
    with caplog.at_level(logging.WARNING, "asrkit"):
        assert len(hear(asrkit.load(model).stream(), np.clip(20 * samples, -1, 1).astype(np.float32))) >= 10
    assert [record.message for record in caplog.records if "is clipped" in record.message] == [
        record.message for record in caplog.records
    ]
    assert len(caplog.records) == 1
    caplog.clear()
    with caplog.at_level(logging.WARNING, "asrkit"):
        assert [own.word for own in hear(asrkit.load(model).stream(), 0.004 * samples)] == sound[1]
    assert len(caplog.records) == 1 and "raise the level" in caplog.text


def test_nothing_but_zeros_is_said_once(model, caplog):
    with caplog.at_level(logging.WARNING, "asrkit"):
        assert hear(asrkit.load(model).stream(), np.zeros(20 * RATE_HZ, np.int16)) == []
    assert [record.message for record in caplog.records] == [
        "5 s of digital silence: is the microphone muted?"
    ]


def test_a_stream_slower_than_the_model_is_said(model, caplog):
    with caplog.at_level(logging.WARNING, "asrkit"):
        asrkit.load(model).stream(rate_hz=4000)
    assert "the model expects 8000 Hz" in caplog.text


def test_what_is_no_speaker_or_rate_is_refused(model):
    recognizer = asrkit.load(model)
    with pytest.raises(DataError, match="speaker is"):
        recognizer.stream(speaker="anna")
    with pytest.raises(DataError, match="rate_hz is"):
        recognizer.stream(rate_hz=12)


def test_how_words_are_found_can_be_chosen(model, sound):
    few = hear(asrkit.load(model).stream(detection=WordDetectorConfig(pause_ms=1500)), sound[0])
    assert len(few) < 5 and all(own.word == UNKNOWN for own in few)


def test_a_line_of_each_kind():
    heard = HeardWord("sieben", 1.23449, 1.7321, 0.98765)
    assert heard.line() == "1.234 1.732 sieben 0.988"
    assert json.loads(heard.json_line()) == {"word": "sieben", "p": 0.9877, "start": 1.234, "end": 1.732}
    assert json.loads(HeardWord("é", 0, 1, None).json_line())["p"] is None
    assert "é" in HeardWord("é", 0, 1, None).json_line()
