//! `/system-prompt`: the template that conversations begin with.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde_json::json;
use wire::ErrorCode;
use wire::extension::{SystemPromptTemplate, SystemPromptVariablesResponse};

use crate::access::Caller;
use crate::answer::Refusal;
use crate::openapi::{Group, get, put};
use crate::{App, input};

pub(super) fn group() -> Group {
    Group {
        name: "System prompt",
        about: "The template of what models are told before a conversation begins. It is resolved once for each conversation.",
        operations: vec![
            get("/system-prompt", template, "systemPrompt")
                .says("Read the template", "Empty where there is none.")
                .answers::<SystemPromptTemplate>("The template.")
                .fails(&[ErrorCode::StoreFailed]),
            put("/system-prompt", set_template, "setSystemPrompt")
                .says(
                    "Set the template",
                    "For conversations that begin from now on, of everybody: it is the operator's. An empty one means no system \
                     prompt.",
                )
                .takes::<SystemPromptTemplate>(json!({ "template": "You work in [prompt:cwd]." }))
                .answers::<SystemPromptTemplate>("The template.")
                .fails(&[ErrorCode::OperatorOnly, ErrorCode::StoreFailed]),
            get("/system-prompt/variables", variables, "systemPromptVariables")
                .says("List what a template can name", "")
                .answers::<SystemPromptVariablesResponse>("All variables."),
        ],
    }
}

async fn template(State(app): State<App>) -> Result<Json<SystemPromptTemplate>, Refusal> {
    Ok(Json(SystemPromptTemplate { template: app.engine.system_prompt().await? }))
}

async fn set_template(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<Json<SystemPromptTemplate>, Refusal> {
    caller.require_operator()?;
    let fields = input::object(body, app.body_limit).await?;
    let Some(template) = input::string(&fields, "template")? else {
        return Err(Refusal::invalid("a string `template` is required; an empty one means no system prompt"));
    };
    app.engine.set_system_prompt(template.clone()).await?;
    Ok(Json(SystemPromptTemplate { template }))
}

async fn variables() -> Json<SystemPromptVariablesResponse> {
    Json(SystemPromptVariablesResponse { variables: prompt::variables() })
}
