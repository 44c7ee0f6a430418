//! The built-in generator that does what a prompt says, within a vocabulary.
//!
//! It is for trying out, for tests and for machines without a GPU: no weights, some milliseconds a frame, and the same
//! frame, prompt and image give the same picture everywhere. `docs/restyle.md` is its manual.

mod grade;
mod palette;
mod recipe;
mod texture;
mod vocabulary;

use std::task::Waker;

use crate::frame::Frame;
use crate::generator::{Generator, Health, Output, Refused, Slot, Style};
use grade::Grade;
pub(crate) use palette::Palette;
pub use recipe::{Amount, Recipe, Step};
use texture::{Scratch, Texture};
pub use vocabulary::Effect;

/// Changes pictures as a [`Recipe`] says, and colours them like the reference image. An empty prompt without an image
/// changes nothing.
#[derive(Default)]
pub struct Restyle {
    slot: Slot,
    stages: Vec<Stage>,
    scratch: Scratch,
}

/// One pass over a picture.
#[derive(Clone, Debug)]
enum Stage {
    Grade(Grade),
    Texture(Texture),
    Palette(Palette, f32),
}

impl Restyle {
    /// A generator that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes one picture in place, as [`poll`](Generator::poll) does.
    pub fn draw(&mut self, frame: &mut Frame) {
        for stage in &self.stages {
            match stage {
                Stage::Grade(grade) => grade.draw(frame),
                Stage::Texture(texture) => texture.draw(frame, &mut self.scratch),
                Stage::Palette(palette, strength) => palette.draw(frame, *strength),
            }
        }
    }
}

impl Generator for Restyle {
    fn set(&mut self, style: Style) {
        // A frame that was submitted before is drawn as it was meant.
        if let Some(mut frame) = self.slot.hold() {
            self.draw(&mut frame);
            self.slot.finish(frame);
        }
        let recipe = Recipe::read(&style.prompt);
        self.stages.clear();
        let mut grade: Option<Grade> = None;
        for step in recipe.steps() {
            let texture = match step.effect.kind(step.amount) {
                vocabulary::Kind::Grade(next) => {
                    grade = Some(grade.map_or(next, |grade| grade.then(next)));
                    continue;
                }
                vocabulary::Kind::Texture(texture) => texture,
                vocabulary::Kind::Palette => continue,
            };
            self.stages.extend(grade.take().map(Stage::Grade));
            self.stages.push(Stage::Texture(texture));
        }
        if let Some(hash) = recipe.own() {
            grade = Some(Grade::own(hash));
        }
        self.stages.extend(grade.map(Stage::Grade));
        if let Some(image) = style.image {
            let strength = recipe.palette();
            self.stages.extend((strength > 0.0).then(|| Stage::Palette(image.palette().clone(), strength)));
        }
    }

    fn submit(&mut self, frame: Frame) -> Result<(), Refused> {
        self.slot.put(frame)
    }

    fn poll(&mut self, waker: &Waker) -> Option<Output> {
        let (mut frame, finished) = self.slot.take(waker)?;
        if !finished {
            self.draw(&mut frame);
        }
        Some(Output::Frame(frame))
    }

    fn health(&self) -> Health {
        Health::Ready
    }
}
