//! Reads fields in the form of the server's command line (`go-secure-stdlib/kv-builder` of HashiCorp).

use std::path::Path;

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::files;
use crate::limits::RUN_INPUT_BYTES_MAX;

/// The fields of all arguments; a repeated one becomes a list.
///
/// # Errors
/// Names the argument.
pub(super) fn parse(arguments: &[&str]) -> Result<Map<String, Value>, Failure> {
    let of_stdin =
        arguments.iter().filter(|argument| argument.split_once('=').map_or(**argument, |(_, value)| value) == "-");
    if of_stdin.count() > 1 {
        return Err(Failure::Usage("stdin can be read once".to_owned()));
    }
    let mut fields = Map::new();
    for &argument in arguments {
        match argument.split_once('=') {
            None if argument == "-" || argument.starts_with('@') => {
                all_of(argument.trim_start_matches('@'), &mut fields)?;
            }
            Some((key, value)) if !key.is_empty() => add(&mut fields, key, text(value)?.into()),
            _ => return Err(Failure::Usage(format!("`{argument}` is no field: expected `key=value`"))),
        }
    }
    Ok(fields)
}

/// `@file`, `-`, or the text itself; `\@` stands for an `@`.
fn text(value: &str) -> Result<String, Failure> {
    let bytes = match value.strip_prefix('@') {
        Some(file) => read(file)?,
        None if value == "-" => read(value)?,
        None if value.starts_with("\\@") => return Ok(value.replacen("\\@", "@", 1)),
        None => return Ok(value.to_owned()),
    };
    String::from_utf8(bytes).map_err(|_| Failure::Failed(format!("`{value}` is no UTF-8 text")))
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    files::read_or_stdin(Path::new(file), RUN_INPUT_BYTES_MAX)
}

/// Adds all fields of a file, or of stdin.
fn all_of(file: &str, fields: &mut Map<String, Value>) -> Result<(), Failure> {
    let object: Map<String, Value> = serde_json::from_slice(&read(file)?)
        .map_err(|error| Failure::Failed(format!("`{file}` is no JSON object of fields: {error}")))?;
    for (key, value) in object {
        add(fields, &key, value);
    }
    Ok(())
}

fn add(fields: &mut Map<String, Value>, key: &str, value: Value) {
    let value = match fields.remove(key) {
        None => value,
        Some(Value::Array(mut values)) => {
            values.push(value);
            Value::Array(values)
        }
        Some(first) => Value::Array(vec![first, value]),
    };
    fields.insert(key.to_owned(), value);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn fields(arguments: &[&str]) -> Value {
        Value::Object(parse(arguments).unwrap())
    }

    #[test]
    fn fields_are_read_as_the_servers_command_line_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            files::write_new_private(&path, content.as_bytes()).unwrap();
            path.display().to_string()
        };
        let (secret, object) = (file("secret", "s3\n"), file("object", r#"{"n": 1, "a": "x"}"#));
        assert_eq!(fields(&["a=b", "c=", "d=e=f"]), json!({"a": "b", "c": "", "d": "e=f"}));
        assert_eq!(fields(&["a=1", "a=2", "a=3"]), json!({"a": ["1", "2", "3"]}));
        assert_eq!(fields(&[&format!("a=@{secret}"), "b=\\@x"]), json!({"a": "s3\n", "b": "@x"}));
        assert_eq!(fields(&[&format!("@{object}"), "a=y"]), json!({"n": 1, "a": ["x", "y"]}));
    }

    #[test]
    fn an_argument_that_is_no_field_is_named() {
        for argument in ["key", "=value"] {
            assert!(matches!(parse(&[argument]), Err(Failure::Usage(text)) if text.contains(argument)), "{argument}");
        }
        assert!(matches!(parse(&["a=@missing-file"]), Err(Failure::Failed(text)) if text.contains("missing-file")));
        assert!(matches!(parse(&["-", "a=-"]), Err(Failure::Usage(text)) if text.contains("once")));
    }
}
