//! The tools that read and write files.

mod cage;
mod edit;
mod place;
mod read;
mod write;

pub(crate) use cage::no_directory;
pub(crate) use edit::EditFile;
pub(crate) use read::ReadFile;
pub(crate) use write::WriteFile;

use kernel::ToolSpec;
use serde_json::Value;

fn spec(name: &str, description: &str, input_schema: Value, exclusive: bool) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: description.to_owned(), input_schema, exclusive }
}
