//! What commands see of the server's environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Commands get the server's environment without what looks like a secret, so that a model cannot read the keys of its
/// own provider. What looks like one:
///
/// - a name with `API_KEY`, `APIKEY`, `PRIVATE_KEY`, `TOKEN`, `SECRET`, `PASSWORD`, `PASSWD` or `CREDENTIAL` in it, or
///   that ends in `_KEY` or `_PASS`, in any case;
/// - a value that is a URL with a password in it, such as that of a database or a proxy.
///
/// Names are matched exactly, or up to a `*` at the end: `DISPATCH_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// More variables that commands do not get.
    pub withheld: Vec<String>,
    /// Variables that commands get though they look like secrets, unless they are withheld by name.
    pub passed: Vec<String>,
    /// Variables that are set for commands, whatever the server has.
    pub set: Vec<(String, String)>,
}

impl Environment {
    /// What a program gets that is started in `cwd`, of what the server has.
    pub fn of_command(
        &self,
        servers: impl Iterator<Item = (OsString, OsString)>,
        cwd: &Path,
    ) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<_> = servers
            .filter(|(name, value)| self.passes(name, value))
            .filter(|(name, _)| name != "PWD" && name != "OLDPWD")
            .collect();
        variables.push(("PWD".into(), cwd.into()));
        variables.extend(self.set.iter().map(|(name, value)| (name.into(), value.into())));
        variables
    }

    fn passes(&self, name: &OsStr, value: &OsStr) -> bool {
        let name = name.to_string_lossy();
        let listed = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, &name));
        if listed(&self.withheld) {
            return false;
        }
        listed(&self.passed) || !(is_named_like_a_secret(&name) || has_password(&value.to_string_lossy()))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

fn is_named_like_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let within = ["API_KEY", "APIKEY", "PRIVATE_KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"];
    let at_end = ["_KEY", "_PASS"];
    within.iter().any(|part| name.contains(part)) || at_end.iter().any(|end| name.ends_with(end))
}

/// Whether a value is, or holds, `scheme://user:password@host`.
fn has_password(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ', ',']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(environment: &Environment, servers: &[(&str, &str)]) -> Vec<(String, String)> {
        let servers = servers.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let variables = environment.of_command(servers, Path::new("/home/me/project"));
        let text = |os: OsString| os.into_string().unwrap();
        variables.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn names(environment: &Environment, servers: &[(&str, &str)]) -> Vec<String> {
        passing(environment, servers).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn secrets_are_withheld_by_name_and_by_value() {
        let servers = [
            ("PATH", "/bin"),
            ("ANTHROPIC_API_KEY", "x"),
            ("OPENAI_APIKEY", "x"),
            ("STRIPE_KEY", "x"),
            ("GH_TOKEN", "x"),
            ("TOKEN", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("AWS_SESSION_TOKEN", "x"),
            ("PGPASSWORD", "x"),
            ("MYSQL_PASSWD", "x"),
            ("SMTP_PASS", "x"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "x"),
            ("ssh_private_key_file", "x"),
            ("npm_config_authtoken", "x"),
            ("DATABASE_URL", "postgres://me:pw@db/main"),
            ("NATS", "nats://a:1,nats://me:p@w@b:2"),
            ("PLAIN_URL", "https://example.org:8443/a@b:c"),
            ("USER_URL", "ssh://git@example.org/x"),
            ("KEYBOARD", "x"),
            ("COMPASS", "x"),
            ("LANG", "C"),
        ];
        assert_eq!(
            names(&Environment::default(), &servers),
            ["PATH", "PLAIN_URL", "USER_URL", "KEYBOARD", "COMPASS", "LANG", "PWD"]
        );
    }

    #[test]
    fn the_operator_can_withhold_pass_and_set_variables() {
        let environment = Environment {
            withheld: vec!["DISPATCH_*".to_owned(), "MINE".to_owned()],
            passed: vec!["GH_TOKEN".to_owned(), "CI_*".to_owned(), "MINE".to_owned()],
            set: vec![("CARGO_HOME".to_owned(), "/cache".to_owned())],
        };
        let servers = [
            ("DISPATCH_DB", "x"),
            ("MINE", "x"),
            ("MINEFIELD", "x"),
            ("GH_TOKEN", "t"),
            ("CI_TOKEN", "t"),
            ("A_TOKEN", "t"),
        ];
        assert_eq!(names(&environment, &servers), ["MINEFIELD", "GH_TOKEN", "CI_TOKEN", "PWD", "CARGO_HOME"]);
    }

    #[test]
    fn the_working_directory_is_the_commands_and_not_the_servers() {
        assert_eq!(
            passing(&Environment::default(), &[("PWD", "/srv"), ("OLDPWD", "/root")]),
            [("PWD".to_owned(), "/home/me/project".to_owned())]
        );
    }
}
