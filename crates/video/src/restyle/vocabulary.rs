//! The words that [`Restyle`](super::Restyle) knows.

use super::grade::Grade;
use super::recipe::Amount;
use super::texture::{Length, Texture};

macro_rules! effects {
    ($($(#[$doc:meta])* $effect:ident: $most:literal, $name:literal $(, $word:literal)*;)*) => {
        /// Something that a prompt can ask for. [`Effect::words`] says by which words.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Effect {
            $($(#[$doc])* $effect,)*
        }

        impl Effect {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$effect),*];

            /// The words for it; the first is its name. Some are several words, with one space between them.
            pub fn words(self) -> &'static [&'static str] {
                match self {
                    $(Self::$effect => &[$name $(, $word)*],)*
                }
            }

            /// The highest strength in percent.
            pub fn most(self) -> u16 {
                match self {
                    $(Self::$effect => $most,)*
                }
            }
        }
    };
}

effects! {
    /// Shades of grey.
    Grey: 100, "grey", "gray", "greyscale", "grayscale", "monochrome", "black and white", "desaturated";
    /// Shades of grey with deep shadows.
    Noir: 150, "noir", "film noir", "dramatic";
    /// Shades of brown, like an old photograph.
    Sepia: 100, "sepia", "brown";
    /// Towards yellow and red.
    Warm: 200, "warm", "warmer", "cosy", "cozy";
    /// Towards blue.
    Cool: 200, "cool", "cooler", "cold", "icy", "winter";
    /// Richer colours.
    Vivid: 200, "vivid", "vibrant", "saturated", "colourful", "colorful";
    /// Paler colours.
    Muted: 200, "muted", "pale", "faded", "washed out";
    /// Light and pale.
    Pastel: 150, "pastel", "pastels";
    /// Pale, yellowish, without deep shadows.
    Vintage: 150, "vintage", "retro", "old film";
    /// Orange light.
    Sunset: 150, "sunset", "sunrise", "golden hour";
    /// Dark and blue.
    Night: 120, "night", "midnight", "moonlight";
    /// Glaring colours on dark ground.
    Neon: 150, "neon", "glowing";
    /// Purple and cyan, hard contrast.
    Cyberpunk: 150, "cyberpunk", "synthwave", "vaporwave";
    /// More light.
    Bright: 200, "bright", "brighter", "brighten";
    /// Less light.
    Dark: 200, "dark", "darker", "darken";
    /// Darker shadows and brighter lights.
    Contrast: 200, "contrast", "contrasty", "punchy";
    /// Shades of red.
    Red: 150, "red", "crimson";
    /// Shades of orange.
    Orange: 150, "orange";
    /// Shades of yellow.
    Yellow: 150, "yellow", "gold", "golden";
    /// Shades of green.
    Green: 150, "green", "emerald";
    /// Shades of cyan.
    Cyan: 150, "cyan", "teal", "turquoise";
    /// Shades of blue.
    Blue: 150, "blue", "azure";
    /// Shades of purple.
    Purple: 150, "purple", "violet";
    /// Shades of pink.
    Pink: 150, "pink", "magenta", "rose";
    /// The negative.
    Invert: 100, "invert", "inverted", "inverse", "negative";
    /// Dark lines on white paper, lightly shaded.
    Sketch: 200, "sketch", "sketched", "drawing", "drawn", "pencil";
    /// Flat areas with dark outlines and rich colours.
    Cartoon: 200, "cartoon", "cartoonish", "comic", "anime";
    /// White outlines on black.
    Edges: 200, "edges", "edge", "outline", "outlines", "outlined", "contours";
    /// Few levels of each colour.
    Posterise: 200, "posterise", "posterised", "posterize", "posterized", "poster";
    /// Squares of one colour.
    Pixelate: 200, "pixelate", "pixelated", "pixel", "pixels", "pixel art", "mosaic", "blocky";
    /// Out of focus.
    Blur: 200, "blur", "blurred", "blurry", "unfocused";
    /// Left and right exchanged.
    Mirror: 100, "mirror", "mirrored";
    /// Above and below exchanged.
    Flip: 100, "flip", "flipped", "upside down";
    /// How much of the colours the reference image gives.
    Palette: 100, "palette";
}

/// Words and factors for how much of an effect is meant.
pub(super) const STRENGTHS: &[(&str, f32)] = &[
    ("no", 0.0),
    ("not", 0.0),
    ("without", 0.0),
    ("very slightly", 0.2),
    ("slightly", 0.4),
    ("slight", 0.4),
    ("subtle", 0.4),
    ("subtly", 0.4),
    ("gently", 0.4),
    ("gentle", 0.4),
    ("faint", 0.4),
    ("faintly", 0.4),
    ("a little", 0.4),
    ("a bit", 0.4),
    ("half", 0.5),
    ("very", 1.5),
    ("strong", 1.5),
    ("strongly", 1.5),
    ("heavy", 1.5),
    ("heavily", 1.5),
    ("really", 1.5),
    ("extremely", 2.0),
    ("extreme", 2.0),
    ("intense", 2.0),
    ("intensely", 2.0),
    ("super", 2.0),
    ("ultra", 2.0),
];

/// Words that end a phrase, as punctuation does.
pub(super) const BREAKS: &[&str] = &["and", "with", "then", "but", "plus"];

/// How an effect is drawn.
pub(super) enum Kind {
    Grade(Grade),
    Texture(Texture),
    /// By what the reference image gives.
    Palette,
}

impl Effect {
    /// Its name, which is one of its words.
    pub fn name(self) -> &'static str {
        self.words()[0]
    }

    /// The exact numbers that it takes in place of a strength: pixels or levels.
    pub fn exact(self) -> Option<std::ops::RangeInclusive<u16>> {
        match self {
            Self::Posterise => Some(2..=64),
            Self::Pixelate => Some(2..=256),
            Self::Blur => Some(1..=64),
            _ => None,
        }
    }

    pub(super) fn kind(self, amount: Amount) -> Kind {
        let strength = match amount {
            Amount::Percent(percent) => f32::from(percent) / 100.0,
            Amount::Exact(_) => 1.0,
        };
        // As parts of the height: 16 and 7.5 pixels of 720.
        let length = |part: f32| match amount {
            Amount::Percent(_) => Length::OfHeight(part * strength),
            Amount::Exact(pixels) => Length::Pixels(pixels),
        };
        let none = Grade::NONE;
        let grade = match self {
            Self::Grey => none.saturation(0.0),
            Self::Noir => none.saturation(0.0).light(1.45, -8.0),
            Self::Sepia => none.saturation(0.0).tint(-20.0, 14.0),
            Self::Warm => none.light(1.0, 3.0).tint(-14.0, 11.0),
            Self::Cool => none.tint(14.0, -11.0),
            Self::Vivid => none.saturation(1.6).light(1.05, 0.0),
            Self::Muted => none.saturation(0.55).light(0.92, 0.0),
            Self::Pastel => none.saturation(0.7).light(0.75, 26.0),
            Self::Vintage => none.saturation(0.5).light(0.8, 8.0).tint(-14.0, 8.0),
            Self::Sunset => none.saturation(1.15).light(1.05, -6.0).tint(-24.0, 24.0),
            Self::Night => none.saturation(0.6).light(0.7, -38.0).tint(20.0, -8.0),
            Self::Neon => none.saturation(2.2).light(1.25, -14.0),
            Self::Cyberpunk => none.saturation(1.3).light(1.2, -8.0).tint(22.0, 12.0),
            Self::Bright => none.light(1.0, 28.0),
            Self::Dark => none.light(0.95, -30.0),
            Self::Contrast => none.light(1.35, 0.0),
            Self::Red => Grade::wash([230, 30, 30]),
            Self::Orange => Grade::wash([255, 130, 0]),
            Self::Yellow => Grade::wash([250, 220, 20]),
            Self::Green => Grade::wash([30, 190, 50]),
            Self::Cyan => Grade::wash([0, 200, 210]),
            Self::Blue => Grade::wash([40, 70, 240]),
            Self::Purple => Grade::wash([140, 50, 220]),
            Self::Pink => Grade::wash([250, 80, 180]),
            Self::Invert => Grade::negative(),
            Self::Sketch => return Kind::Texture(Texture::Sketch { strength }),
            Self::Cartoon => return Kind::Texture(Texture::Cartoon { strength }),
            Self::Edges => return Kind::Texture(Texture::Edges { strength }),
            Self::Posterise => {
                let levels = match amount {
                    Amount::Percent(_) => (6.0 / strength.max(0.1)).round() as u16,
                    Amount::Exact(levels) => levels,
                };
                return Kind::Texture(Texture::Posterise { levels: levels.clamp(2, 64) });
            }
            Self::Pixelate => return Kind::Texture(Texture::Pixelate { block: length(16.0 / 720.0) }),
            Self::Blur => return Kind::Texture(Texture::Blur { radius: length(7.5 / 720.0) }),
            Self::Mirror => return Kind::Texture(Texture::Mirror),
            Self::Flip => return Kind::Texture(Texture::Flip),
            Self::Palette => return Kind::Palette,
        };
        Kind::Grade(grade.at(strength))
    }
}
