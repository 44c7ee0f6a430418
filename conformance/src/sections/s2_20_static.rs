//! 2.20: files of a web page.

use serde_json::Value;

use crate::check::{Check, check, ensure, excerpt};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("2.20-no-traversal", "no path leads out of the web directory", |w| async move {
            for path in [
                "/../../../../../../etc/passwd",
                "/..%2f..%2f..%2f..%2f..%2fetc/passwd",
                "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
                "//etc/passwd",
                "/..\\..\\..\\etc\\passwd",
                "/%00/etc/passwd",
            ] {
                let answer = w.get_raw(path).await?;
                ensure(
                    !answer.contains("root:"),
                    format!("no file of the system for {path}"),
                    excerpt(&answer),
                )?;
                ensure(answer.starts_with("HTTP/1.1 "), format!("an answer to {path}"), excerpt(&answer))?;
            }
            Ok(())
        })
        .quirk("the path was put behind the directory unlooked at", "no path leads out"),
        check(
            "2.20-api-comes-first",
            "a browser that asks for HTML still gets JSON from the API",
            |w| async move {
                for path in ["/health", "/models", "/conversations"] {
                    let asking =
                        w.ask(reqwest::Method::GET, path).header("accept", "text/html,application/xhtml+xml");
                    asking.send().await?.ok()?;
                }
                Ok(())
            },
        ),
        check("2.20-the-root", "GET / is a page, or an error of the usual shape", |w| async move {
            let answer = w.get("/").await?;
            if answer.status == 200 {
                return ensure(
                    answer.header("content-type").starts_with("text/html"),
                    "text/html",
                    answer.header("content-type"),
                );
            }
            let body: Value = answer.json()?;
            ensure(body["error"].is_string(), "{error, code}", body)
        }),
    ]
}
