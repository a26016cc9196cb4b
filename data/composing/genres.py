"""The sixteen genres of the synthetic music: tempo, harmony, rhythm, instruments and sound.

A rhythm is a string of sixteenths, ``x`` loud, ``o`` soft, ``.`` silent, repeated to fill a bar. A
chord is a Roman numeral, lower case for minor, with ``7``, ``M7`` (major seventh) or ``5`` (no
third), and lasts a bar.

A sub-genre contains the tracks of its root genre in which an instrument plays.
"""

from typing import NamedTuple

SCALES = {  # semitones above the tonic
    "major": {0, 2, 4, 5, 7, 9, 11}, "pentatonic": {0, 2, 4, 7, 9}, "blues": {0, 3, 5, 6, 7, 10},
    "minor": {0, 2, 3, 5, 7, 8, 10}, "dorian": {0, 2, 3, 5, 7, 9, 10}, "in": {0, 1, 5, 7, 8},
    "harmonic": {0, 2, 3, 5, 7, 8, 11}, "phrygian": {0, 1, 4, 5, 7, 8, 10},
    "minor5": {0, 3, 5, 7, 10}, "whole": {0, 2, 4, 6, 8, 10}, "chromatic": {*range(12)},
}  # fmt: skip


class Part(NamedTuple):
    """One part; an artist draws one of the instruments, a track two of the rhythms."""

    figure: str  # melody, free, speak, drum; or degrees of the chord per hit, "+" for chords
    instruments: str
    rhythms: str
    register: float = 60  # MIDI pitch
    gain: float = 0.0  # dB
    presence: float = 0.85  # probability to play in a section; 1 for the first part
    drive: float = 0.0  # distortion in dB
    sustain: float = 0.95  # length of a note relative to the interval to the next


class Style(NamedTuple):
    """A genre, or an artist with a subset of its choices."""

    tempo: tuple[float, float]  # range, in quarter notes a minute
    neighbours: str  # genres, separated by ", "
    harmonies: tuple[str, ...]  # "scale: chords"
    grooves: tuple[str, ...]  # "quarter notes in a bar, drum, rhythm, drum, rhythm ..."
    parts: tuple[Part, ...]
    openness: float = 0.1  # probability to borrow a part or a trait of a neighbour
    swing: tuple[float, float] = (0.5, 1.0)  # division of a pair; its length in quarter notes
    looseness: float = 0.008  # standard deviation of the timing in seconds
    reverb: tuple[float, float] = (0.15, 1.2)  # gain; reverberation time in seconds
    band: tuple[float, float] = (35.0, 10_500.0)  # Hz
    drive: float = 0.0  # saturation in dB
    hiss: float = -70.0  # noise level in dB
    crackle: float = 0.0  # clicks a second
    brightness: float = 0.0  # dB per decade; set by `make_artist`
    drums: float = 0.0  # gain in dB; set by `make_artist`


LONG, HALF, SPARSE = "x...............", "x.......", "x.......x...x... x.....x.x......."
SONG = "x...x.x...x.x... x.x.x...x..x..x. x.....x.x.x.x... x...x.x.....x..."

STYLES = {
    "Blues": Style((72, 118), "Jazz, Rock, Country",
        ("blues: I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",),
        ("4 kick x.......x.....o. snare ....x... hat x.o.", "4 thump x... rim ....x... ride x."),
        (Part("0 1 2 3 2 1", "upright bass", "x.o.", 38),
         Part("0+2 0+2 0+3 0+3", "steel guitar piano", "x.o.", 50, -3, 0.8, 8),
         Part("melody", "guitar harmonica voice", "..x.x.x.x....... x.x.x...", 67, drive=12)),
        openness=0.15, swing=(0.65, 1), drive=3, hiss=-52),
    "Classical": Style((58, 112), "Instrumental, Easy Listening", ("major: I V vi iii IV V",
        "harmonic: i iv V i bVI V"), ("4", "3"), (Part("0 1 2 3 2 1", "piano harp", "x.x. xxxx"),
        Part("0", "strings", f"{LONG} {HALF}", 43, -1),
        Part("melody", "fiddle piano clarinet flute", SONG, 76, 1),
        Part("0+1+2", "strings", f"{LONG} {HALF}", 57, -3, 0.7)), looseness=0.02,
        reverb=(0.35, 2.4)),
    "Country": Style((92, 138), "Folk, Rock, Blues", ("pentatonic: I I IV I I I V I",
        "major: I IV V I"), ("4 thump x....... brush ..x. rim ....x...",
        "3 thump x........... brush ....x..."), (Part("0 -1", "upright bass", HALF, 36, 1),
        Part("melody", "voice fiddle", SONG, 64),
        Part("0+1+2+3+4", "steel", "....x... ..x.x.x.x.x.x.x.", 52, -3),
        Part("melody", "slide", SPARSE, 69, -2, 0.7),
        Part("0 2 1 3", "banjo steel", "x.x.", 62, -5, 0.5)), openness=0.15, swing=(0.54, 1)),
    "Easy Listening": Style((78, 116), "Jazz, Instrumental, Pop", ("major: IM7 vi7 ii7 V7",),
        ("4 thump x.....x.x.....x. rim x..x..x...x..x.. shaker x.o.",),
        (Part("0+1+2+3", "strings choir", LONG), Part("0 -2", "upright bass", "x.....x.", 38, -1),
        Part("melody", "vibes flute trumpet", SONG, 74),
        Part("0 1 2 3 4 3 2 1", "rhodes nylon harp", "x.x.", 60, -6, 0.6)), reverb=(0.3, 1.8),
        band=(40, 9500)),
    "Electronic": Style((118, 136), "Hip-Hop, Experimental, Pop", ("minor: i i bVI bVII",
        "dorian: i7 i7 IV i7"), ("4 deep x... cymbal ..x. clap ....x...",
        "4 kick x... hat xox. clap ....x..."),
        (Part("0", "sawbass acid sub", "..x. .xxx x.xx.xx.x.xx.x.x", 36, 1, 0.85, 4, 0.7),
         Part("0 1 2 3 2 1", "synth saw square", "xxxx x.xx.x.x", 66, -3, 0.75),
         Part("0+1+2", "supersaw pad", f"..x. {LONG}", 57, -3, 0.7),
         Part("melody", "saw square", SONG, 72, -3, 0.4)), looseness=0, drive=4),
    "Experimental": Style((40, 110), "Electronic, Instrumental, Rock",
        ("chromatic: I5 bII5 bV5 VI5", "whole: I5 I5 bVI5 bIII5"), ("4", "5",
        "4 conga x.....x....x.... tom .......x........"),
        (Part("0", "drone", LONG, 38, 0, 0.85, 6, 1.3),
         Part("0+1", "choir drone", LONG, 57, -4, 0.5),
         Part("free", "gong bells", "x.....o...x..... x.........o.....x...", 66, sustain=3),
         Part("free", "static square speech", "....x....oo..... x..oo...", 58, -6, 0.5, 9)),
        openness=0.15, looseness=0.06, reverb=(0.4, 3), drive=4, hiss=-38),
    "Folk": Style((76, 124), "Country, International, Blues", ("pentatonic: I V vi IV",
        "dorian: i bVII i IV"), ("4", "3", "4 thump x....... shaker o.x."),
        (Part("0 3 2 4 1 3", "steel nylon", "x.x. x.xxx.xx", 48),
         Part("melody", "voice", SONG, 62, 2),
         Part("melody", "fiddle flute reeds harmonica", SPARSE, 72, -4, 0.4),
         Part("0", "upright", HALF, 38, -3, 0.4)), openness=0.15, reverb=(0.1, 0.7), hiss=-50),
    "Hip-Hop": Style((78, 97), "Electronic, Soul-RnB, Pop", ("minor: i i iv i", "dorian: i7 IV7"),
        ("4 deep x..x..x...x..... snare ....x... hat x.x.",
        "4 kick x.....xx..x..... clap ....x... hat x"),
        (Part("0", "sub bass", "x..x..x...x..... x.....x...x...x.", 33, 2),
         Part("0+1+2", "rhodes piano strings", f"x.....x......... {LONG}", 57, -5, 0.75),
         Part("0 2 1 3", "vibes synth piano", "x..x..x. x.....x.x.......", 69, -6, 0.5),
         Part("speak", "speech", "x.xxx.x.xxx.x... x.x.xxx.x.x.x.xx", 48, 0, 0.75)),
        swing=(0.58, 0.5), reverb=(0.08, 0.6), drive=5, hiss=-46),
    "Instrumental": Style((56, 98), "Classical, Electronic, Experimental",
        ("major: IM7 IVM7 vi IVM7", "dorian: i7 IV i7 IV"), ("4", "4",
        "4 thump x....... rim ........x......."),
        (Part("0+1+2", "pad choir strings", LONG, 55, sustain=1.1),
         Part("0", "sub pad", LONG, 38, -3),
         Part("0 1 2 3 2 1", "piano rhodes harp", "x... x.x.", 64, -1, 0.75, 0, 1.5),
         Part("melody", "piano bells guitar", SPARSE, 74, -2, 0.6, 0, 1.4)), reverb=(0.5, 3.5)),
    "International": Style((88, 150), "Folk, Electronic, Jazz", ("phrygian: I5 I5 bII I5",
        "in: i5 i5 bVI5 i5"), ("3.5 tom x.....o.x...o. slap ...x..x...x.xx",
        "3 conga x..xx.x.x.xx tom x.....", "2.5 tom x.....x... slap ..x.x...xx",
        "4 tom x..x....x....... slap ..o...x...o.x.o."),
        (Part("melody", "duduk voice sitar reeds", "x..x..x.x...x.x. xxx.x.x...x.x...", 69, 1),
         Part("0", "sitar upright", f"x.....x.x....... {LONG}", 43, -1),
         Part("0 1 2 3 2 1", "sitar marimba", "x.xxx.xx x..xx.x.", 60, -3, 0.7))),
    "Jazz": Style((104, 188), "Blues, Soul-RnB, Easy Listening", ("major: ii7 V7 IM7 VI7",
        "dorian: i7 i7 iv7 V7"), ("4 ride x...x.o. hat ....x... thump o.......",
        "4 ride x...x.o. brush o.o.x.o."), (Part("0 1 2 3 4 3 2 1", "upright", "x...", 38, 1),
        Part("1+2+3", "piano vibes organ nylon", "x.....x......... ..x.......x.....", 57, -3),
        Part("melody", "sax trumpet clarinet piano", "x.x.x.x.x....... ..x.x.x.", 67, 1)),
        openness=0.15, swing=(0.64, 1), hiss=-54),
    "Old-Time / Historic": Style((96, 146), "Folk, Blues", ("major: I I IV I I I V I",
        "pentatonic: I V I V"), ("4", "3", "4 thump x......."),
        (Part("melody", "fiddle clarinet trumpet voice", "x.x.x.x.x...x.x. x...x.x.", 70, 1),
         Part("0 -1", "piano upright", HALF, 43, -2),
         Part("0+1+2", "banjo piano", "....x...", 60, -2)), swing=(0.56, 1), looseness=0.018,
        reverb=(0.08, 0.5), band=(220, 3800), drive=8, hiss=-24, crackle=22),
    "Pop": Style((92, 130), "Rock, Electronic, Hip-Hop, Soul-RnB, Folk, Easy Listening",
        ("major: I V vi IV", "major: I vi IV V", "minor: i bVI bIII bVII"),
        ("4 kick x.......x.x..... snare ....x... hat x.", "4 kick x... clap ....x... cymbal ..x."),
        (Part("0", "bass sawbass", "x.x. x..x..x.x....... x...", 36),
         Part("melody", "voice", SONG, 66, 2),
         Part("0+1+2", "piano supersaw rhodes pad", f"{LONG} x..x..x.x..x..x.", 57, -4),
         Part("0+1+2+3", "steel guitar", "x.x.xxx. x...x.xx", 54, -6, 0.5, 3),
         Part("melody", "saw bells", SONG, 76, -6, 0.35)), openness=0.25, drive=4),
    "Rock": Style((104, 168), "Blues, Pop, Experimental", ("minor5: I5 bVII5 IV5 I5",
        "minor5: i5 bVI5 bVII5 i5"), ("4 kick x.....x.x....... snare ....x... hat x.",
        "4 kick x. snare ....x... cymbal x..."),
        (Part("0+1+2", "guitar", "x.x. x..x..x.x.x.x.x. xxxx", 46, 1, 0.85, 26),
         Part("0", "bass", "x.x. x.xx", 34, 1, 0.85, 5),
         Part("melody", "voice", SONG, 66, 0, 0.6, 3),
         Part("melody", "guitar saw", "x.x.x.x.x...x...", 74, -2, 0.4, 22)), reverb=(0.1, 0.8),
        drive=7),
    "Soul-RnB": Style((64, 92), "Hip-Hop, Jazz, Pop", ("dorian: i7 IV7 i7 IV7",
        "major: IM7 iii7 IVM7 V7"), ("4 kick x......x..x..... rim ....x... hat xoxo",
        "4 kick x..x...... clap ....x... hat x.xx"),
        (Part("0+1+2+3", "rhodes organ", f"{LONG} x......x........", 57, -1),
         Part("0", "bass sub", "x..x......x..x.. x......xx.......", 34, 1),
         Part("melody", "voice", "x..xx.x...x..... ..x.x..xx.......", 67, 1),
         Part("1+2+3", "choir strings trumpet", f"{LONG} {HALF}", 64, -7, 0.4)), openness=0.15,
        swing=(0.56, 0.5), reverb=(0.2, 1.5), drive=3),
    "Spoken": Style((66, 92), "Spoken", ("chromatic: I5",), ("4",),
        (Part("speak", "speech", "xxx.xxxxx.xx.... xx.xxxx.....xxx. xxxxxx.xxxx.....", 46),),
        openness=0, looseness=0.05, reverb=(0.06, 0.5), band=(80, 9000), hiss=-44),
}  # fmt: skip

SUBGENRES = {  # title: root genre, and one of the `sounds` of a composition
    "Cymbal Rock": ("Rock", "cymbal"), "Guitar Rock": ("Rock", "guitar"),
    "Deep Electronic": ("Electronic", "deep"), "Saw Electronic": ("Electronic", "saw"),
    "Drone Experimental": ("Experimental", "drone"), "Vocal Hip-Hop": ("Hip-Hop", "speech"),
    "Drumless Experimental": ("Experimental", "no drums"), "Snare Hip-Hop": ("Hip-Hop", "snare"),
    "Double-Bass Folk": ("Folk", "upright"), "Drum Folk": ("Folk", "drums"),
    "Drumless Instrumental": ("Instrumental", "no drums"), "Guitar Pop": ("Pop", "guitar"),
    "Pad Instrumental": ("Instrumental", "pad"), "Hi-Hat Pop": ("Pop", "hat"),
}  # fmt: skip
