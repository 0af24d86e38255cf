"""What aligners write where nobody speaks is no phone, and no phone of the usual sets is taken for it."""

from collections import Counter

import pytest
from command import asrkit

from asrkit.io.textgrid import write_textgrid
from asrkit.phones.phone import POSITION, Phone, is_silence
from asrkit.workflows.mixgop_import_alignment import mixgop_import_alignment

ALIGNERS = {
    "Kaldi": "SIL SIL_B SIL_E SIL_I SIL_S SPN SPN_S NSN LAU sil_S <eps> <SPOKEN_NOISE> <UNK> <UNK>_S !SIL [noise] <NOISE>_S",
    "MFA": "sil sp spn <eps> <unk> spn_S {SL} [bracketed] <cutoff>",
    "TIMIT": "h# H# pau epi",
    "WebMAUS": "<p:> <p> <usb> <nib> <#>",
    "pocketsphinx": "SIL +SPN+ +NSN+ +NOISE+ ++BREATH++ <s> </s> <sil> [NOISE]",
    "Festival, HTS, Julius": "pau PAU ssil brth # silB silE silB_S",
    "HTK": "sil sp SP !ENTER !EXIT !NULL",
    "Buckeye": "SIL NOISE VOCNOISE LAUGH IVER <SIL> <VOCNOISE> {B_TRANS} {E_TRANS}",
    "people": "... … _ __ - -- * ** ## #sil# *noise* __SIL__ (laughs) (...) Silence PAUSE noise Breath cough laughter",
    "eSpeak, gentle": "_: oov OOV_S unk",
}

PHONES = {
    "ARPAbet": """AA AE AH AO AW AX AXR AY EH ER EY IH IX IY OW OY UH UW UX B CH D DH DX EL EM EN F G HH JH K L M N NG NX P Q R
        S SH T TH V W WH Y Z ZH AA0 AH1 ER2 AH0_B T_S S_E Z_I""",
    "TIMIT": """iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h jh ch b d g p t k dx q bcl dcl gcl pcl tcl kcl s sh
        z zh f th v dh m n ng em en eng nx l r w y hh hv el""",
    "X-SAMPA": r"""{ {: } @ @` @\ & 2 2: 3 3\ 6 7 8 9 9~ 1 ? ?\ <\ >\ !\ |\ ||\ |\|\ =\ n= l= m=_0 b_< d_< g\_< t_> k_> p_h t_d
        t_S i_^ a_~ e_o n_+ i_+ u_- t_w { }_" A B\ C D E F G\ H I J K\ L M N O P Q R\ S T U V W X Y Z h\ h~ {~ {I O~ "a %a "{ -a""",
    "German SAMPA": "i: y: u: e: 2: o: E: a: I Y U E 9 O a @ 6 aI aU OY p b t d k g pf ts tS dZ Q f v s z S Z C j x h m n N l r R",
    "IPA": "iː ɪ e ɛ æ ɑː ɒ ɔː ʊ uː ʌ ɜː ə aɪ ɔɪ p b tʃ dʒ θ ð ʃ ʒ ŋ ɹ ʔ ɡ t͡s ǀ ǁ ǃ ǂ ɓ ɗ ʘ ˀ ã n̩ | || ! pʰ",
    "pinyin": """b p m f d t n l g k h j q x zh ch sh r z c s a1 o2 e3 ai4 ei5 ao1 ou2 an3 en4 ang1 eng2 er2 i1 ia3 ie4 iao iu in ing
        iong u1 ua uo uai ui uan un uang ong v ve van vn ii iii pao sa si shi""",
    "Japanese": "a i u e o N cl q ky gy sh ch ts ny hy by py my ry w y j z",
}


@pytest.mark.parametrize("format", ["ctm", "textgrid"])
@pytest.mark.parametrize("name", ALIGNERS)
def test_silences_are_counted_in_every_format(tmp_path, capsys, format, name):
    labels = ALIGNERS[name].split() + (["", "< p >"] if format == "textgrid" else [])
    phones = [Phone(label, i / 10, (i + 1) / 10) for i, label in enumerate([*labels, "AA", *labels])]
    if format == "ctm":
        (tmp_path / "x.ctm").write_text(
            "".join(f"u 1 {phone.start_s} 0.1 {phone.label}\n" for phone in phones)
        )
    else:
        write_textgrid(tmp_path / "x.TextGrid", {"phones": phones}, len(phones) / 10)
    src = next(tmp_path.iterdir())
    imported = mixgop_import_alignment(src, tmp_path / "out")
    assert [[phone.label for phone in some] for some in imported.alignment.values()] == [["AA"]]
    assert imported.silences == Counter(2 * [POSITION.sub("", label) for label in labels])
    assert f"silences left out: {2 * len(labels)} (" in imported.lines()[0]


@pytest.mark.parametrize("name", PHONES)
def test_no_phone_is_a_silence(name):
    assert [phone for phone in PHONES[name].split() if is_silence(phone)] == []


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_case_does_not_matter(spelling):
    assert all(
        is_silence(spelling(label)) for label in ("h#", "sil", "sp", "spn", "nsn", "lau", "silence", "pau")
    )


def test_further_silences_are_named_as_they_are_written(tmp_path, capsys):
    (tmp_path / "x.ctm").write_text("u 1 0 0.1 Q\nu 1 0.1 0.1 q\nu 1 0.2 0.1 GLOT_S\n")
    words = ["mixgop", "import-alignment", tmp_path / "x.ctm", tmp_path / "out"]
    asrkit(*words, "--silences=Q,GLOT")
    assert "phones: 1 of 1 kinds; words: 0; silences left out: 2 (Q 1, GLOT 1)" in capsys.readouterr().out
    asrkit(*words, "--silences=GLOT_S")
    assert "phones: 2 of 2 kinds; words: 0; silences left out: 1 (GLOT 1)" in capsys.readouterr().out


def test_words_that_name_noises_are_words(tmp_path, capsys):
    words = Phone("silence", 0, 0.2), Phone("<unk>", 0.2, 0.4), Phone("noise", 0.4, 0.5)
    phones = Phone("AA", 0, 0.2), Phone("spn", 0.2, 0.4), Phone("N", 0.4, 0.5)
    write_textgrid(tmp_path / "x.TextGrid", {"words": words, "phones": phones}, 0.5)
    asrkit("mixgop", "import-alignment", tmp_path / "x.TextGrid", tmp_path / "out")
    assert "phones: 2 of 2 kinds; words: 2; silences left out: 1 (spn 1)" in capsys.readouterr().out
