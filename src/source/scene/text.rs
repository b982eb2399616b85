//! What the notice board says.

/// The sizes of the paragraphs in turn, in units.
pub(super) const SIZES: [f32; 6] = [19.0, 12.5, 10.0, 14.0, 11.0, 8.5];

/// The paragraphs. Each six begin with a heading.
pub(super) const LINES: [&str; 18] = [
    "Small on the wire",
    "Four pixels become one before the picture leaves. The codec then spends its bits on fewer blocks, and each is better for it.",
    "At 150 kbit/s a large picture falls apart into squares. A small one stays calm, and what it lacks is the fine \
     detail that an upscaler can guess from edges, hair, cloth and letters like these.",
    "Look at the threads of the curtain, then at the lines above.",
    "A line thinner than a pixel is where bicubic turns soft and where a network that has seen the codec's own \
     mistakes can do better.",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 (){}[]<> .,:;!? +-*/=% @#&$ The quick brown \
     fox jumps over the lazy dog. Sphinx of black quartz, judge my vow.",
    "Sharp where it counts",
    "Both halves of the window show the same frame at the same moment: left by bicubic, right by the network.",
    "Neither knows the original. What either makes up beyond the bits that arrived is a guess, and a good guess is \
     one that nobody notices.",
    "Read the smallest line on either side before you believe a number.",
    "Decibels reward caution. Eyes reward edges. Keep both in view, and never choose a model by one of them alone.",
    "1 Il|!i 0 OoQ 5 S$ 8 B& 2 Zz rn m cl d vv w 1,024 · 65,536 · 3.14159 · 2.71828 · 29.97 fps · 480×360 · 960×720 \
     · 1280×720 · 16:9 · 4:3 · BT.601 · BT.709",
    "Late is lost",
    "A call has no second take. A frame that is late is dropped, and the newest picture wins.",
    "When a packet is missing the picture is mended from what is there, a keyframe is asked for, and the call goes on.",
    "From lens to screen in a tenth of a second.",
    "Every stage counts what goes in, what comes out and what it had to drop; and it says why.",
    "capture > scale > encode > send > receive > decode > upscale > show. 33.3 ms for all of it, thirty times a \
     second, on whatever machine is there.",
];
