//! Checks what an engine declares: no declaration of a guest is trusted.

use thiserror::Error;

use crate::declaration::{At, Class, Declaration, Destination, StoredOwner, StoredUrl};
use crate::limits::{
    CLASSES_MAX, EXITS_BYTES_MAX, FIELDS_MAX, LIST_ENTRIES_MAX, NAMES_MAX, PATHS_MAX, PLACE_DEPTH_MAX,
    SECRET_CHARACTERS_MIN, TEXT_BYTES_MAX,
};

/// What is wrong with a declaration: it names the class and the field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct DeclarationError(String);

type Checked = Result<(), String>;

impl Declaration {
    /// Checks a declaration.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), DeclarationError> {
        if self.classes.len() > CLASSES_MAX {
            let text = format!("it has {} classes of secrets; at most {CLASSES_MAX}", self.classes.len());
            return Err(DeclarationError(text));
        }
        let fields: usize = self.classes.iter().map(fields).sum();
        if fields > FIELDS_MAX {
            return Err(DeclarationError(format!("its secrets have {fields} fields; at most {FIELDS_MAX}")));
        }
        let names: usize = self.classes.iter().map(names).sum();
        if names > NAMES_MAX {
            let text = format!("its secrets have {names} names of owners and objects; at most {NAMES_MAX}");
            return Err(DeclarationError(text));
        }
        let paths: usize = self.classes.iter().map(path_count).sum();
        if paths > PATHS_MAX {
            return Err(DeclarationError(format!("its secrets have {paths} paths; at most {PATHS_MAX}")));
        }
        for (index, class) in self.classes.iter().enumerate() {
            let is_twice = self.classes.iter().take(index).any(|before| before.name == class.name);
            let checked = if is_twice { Err("another class has its name".to_owned()) } else { self.check_class(class) };
            checked.map_err(|what| {
                let name: String = class.name.chars().take(NAME_CHARACTERS_SHOWN).collect();
                DeclarationError(format!("class `{name}` of its secrets: {what}"))
            })?;
        }
        // Last, because each text is short now.
        if self.has_exits_beyond(EXITS_BYTES_MAX) {
            let text = format!("the places where its secrets may go take more than {EXITS_BYTES_MAX} bytes to list");
            return Err(DeclarationError(text));
        }
        Ok(())
    }

    fn check_class(&self, class: &Class) -> Checked {
        if class.name.is_empty()
            || !class.name.bytes().all(|byte| byte.is_ascii_lowercase() || b"-0123456789".contains(&byte))
        {
            return Err("`name` has small letters, digits and `-` only".to_owned());
        }
        text("name", &class.name)?;
        check_shape(class)?;
        let lists = [
            ("request-fields", class.request_fields.len()),
            ("stored-fields", class.stored_fields.len()),
            ("unreadable-fields", class.unreadable_fields.len()),
            ("answered-fields", class.answered_fields.len()),
            ("bearer-of", class.bearer_of.len()),
            ("shown-fields", class.shown_fields.len()),
            ("becomes", class.becomes.len()),
        ];
        lists.into_iter().try_for_each(|(name, length)| list(name, length))?;
        for field in &class.request_fields {
            paths("request-fields", &field.paths)?;
            place("request-fields", &field.at)?;
            destination("request-fields", &field.destination)?;
            owner("request-fields", &field.owner)?;
        }
        for field in &class.stored_fields {
            prefix("stored-fields", &field.prefix)?;
            place("stored-fields", &field.at)?;
            destination("stored-fields", &field.destination)?;
            if let Some(StoredOwner::Sibling(key)) = &field.owner {
                owner("stored-fields", std::slice::from_ref(key))?;
            }
            if matches!(field.destination, Destination::Requested { .. }) {
                return Err("`stored-fields`: the destination of a stored value cannot be in a request".to_owned());
            }
        }
        for field in &class.unreadable_fields {
            prefix("unreadable-fields", &field.prefix)?;
            place("unreadable-fields", &field.at)?;
        }
        for field in &class.answered_fields {
            call("answered-fields", &field.call.method, &field.call.path)?;
            place("answered-fields", &field.at)?;
        }
        for own in &class.bearer_of {
            call("bearer-of", &own.method, &own.path)?;
        }
        for field in &class.shown_fields {
            paths("shown-fields", &field.paths)?;
            place("shown-fields", &field.at)?;
            owner("shown-fields", &field.owner)?;
        }
        match class.becomes.iter().find(|name| !self.classes.iter().any(|class| class.name == **name)) {
            Some(_) => Err("`becomes` names a class that is not declared".to_owned()),
            None => Ok(()),
        }
    }
}

/// Characters of a class's name in an error: the name is the guest's own text.
const NAME_CHARACTERS_SHOWN: usize = 40;

fn fields(class: &Class) -> usize {
    class.request_fields.len()
        + class.stored_fields.len()
        + class.unreadable_fields.len()
        + class.answered_fields.len()
        + class.shown_fields.len()
}

/// The number of names of owners, and of objects with a base URL.
fn names(class: &Class) -> usize {
    let stored = |destination: &Destination| match destination {
        Destination::SiblingOrigin { stored: Some(url), .. } | Destination::Requested { stored: Some(url), .. } => {
            url.named_by.len()
        }
        _ => 0,
    };
    let requested = class.request_fields.iter().map(|field| field.owner.len() + stored(&field.destination));
    let stored = class.stored_fields.iter().map(|field| stored(&field.destination));
    requested.chain(stored).chain(class.shown_fields.iter().map(|field| field.owner.len())).sum()
}

/// The number of paths of requests.
fn path_count(class: &Class) -> usize {
    let requested = class.request_fields.iter().map(|field| field.paths.len());
    requested.chain(class.shown_fields.iter().map(|field| field.paths.len())).sum()
}

fn check_shape(class: &Class) -> Checked {
    let shape = &class.shape;
    text("shape.public", &shape.public)?;
    list("shape.plain-endings", shape.plain_endings.len())?;
    shape.plain_endings.iter().try_for_each(|ending| text("shape.plain-endings", ending))?;
    if shape.plain_endings.iter().any(String::is_empty) {
        return Err("`shape.plain-endings` has an empty text, with which every value ends".to_owned());
    }
    if shape.public.split("{}").skip(1).any(str::is_empty) {
        return Err("`shape.public` has a `{}` without a character after it".to_owned());
    }
    if usize::try_from(shape.secret_characters_min).unwrap_or(usize::MAX) < SECRET_CHARACTERS_MIN {
        return Err(format!("`shape.secret-characters-min` is below {SECRET_CHARACTERS_MIN}"));
    }
    Ok(())
}

fn text(name: &str, text: &str) -> Checked {
    if text.len() > TEXT_BYTES_MAX { Err(format!("`{name}` has more than {TEXT_BYTES_MAX} bytes")) } else { Ok(()) }
}

fn list(name: &str, length: usize) -> Checked {
    if length > LIST_ENTRIES_MAX { Err(format!("`{name}` has more than {LIST_ENTRIES_MAX} entries")) } else { Ok(()) }
}

fn paths(name: &str, paths: &[String]) -> Checked {
    list(name, paths.len())?;
    paths.iter().try_for_each(|path| text(name, path))?;
    if paths.is_empty() || paths.iter().any(String::is_empty) {
        return Err(format!("`{name}` has a field without a path"));
    }
    Ok(())
}

fn owner(name: &str, owner: &[String]) -> Checked {
    list(name, owner.len())?;
    if owner.iter().any(String::is_empty) {
        return Err(format!("`{name}` has an owner without a name"));
    }
    owner.iter().try_for_each(|own| text(name, own))
}

fn place(name: &str, at: &At) -> Checked {
    if at.is_empty() || at.len() > PLACE_DEPTH_MAX || at.first().is_some_and(|key| key == "*") {
        return Err(format!("`{name}`: a place has 1 to {PLACE_DEPTH_MAX} keys, and begins with one of an object"));
    }
    at.iter().try_for_each(|key| text(name, key))
}

fn prefix(name: &str, prefix: &str) -> Checked {
    text(name, prefix)?;
    let steps = prefix.split('/').any(|segment| matches!(segment, "." | ".."));
    if prefix.len() < 2 || !prefix.ends_with('/') || prefix.starts_with('/') || prefix.contains("//") || steps {
        return Err(format!("`{name}`: a prefix is a storage path that ends in `/`"));
    }
    Ok(())
}

fn call(name: &str, method: &str, path: &str) -> Checked {
    text(name, method)?;
    text(name, path)?;
    let is_path = path.starts_with('/') && !path.contains(['?', '#', '%']) && !path.contains("//");
    let steps = path.split('/').any(|segment| matches!(segment, "." | ".."));
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) || !is_path || steps || path.len() < 2
    {
        return Err(format!("`{name}`: a call has a method in capitals, and a path from `/` without a query"));
    }
    Ok(())
}

fn destination(name: &str, destination: &Destination) -> Checked {
    let (key, stored, otherwise) = match destination {
        Destination::Nowhere => return Ok(()),
        Destination::Sibling { key, otherwise } => (Some(key), None, otherwise),
        Destination::SiblingOrigin { key, stored } => (Some(key), stored.as_ref(), &None),
        Destination::Requested { field, stored, otherwise } => (field.as_ref(), stored.as_ref(), otherwise),
    };
    key.into_iter().try_for_each(|key| text(name, key))?;
    if let Some(StoredUrl { prefix: own, named_by, second_name, key }) = stored {
        prefix(name, own)?;
        list(name, named_by.len())?;
        named_by.iter().chain(second_name).chain([key]).try_for_each(|own| text(name, own))?;
    }
    otherwise.iter().try_for_each(|url| text(name, url))?;
    match otherwise.as_deref().map(crate::base_url::BaseUrl::parse) {
        Some(None) => Err(format!("`{name}`: `otherwise` is no base URL")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
