//! Errors: the server has one type number for each variant (`sdk/plugin/pb/translation.go`).

use envelope::Error;

use crate::wire::pb;

/// The wire's form. A new variant does not compile until its number is decided.
pub(crate) fn error_into_pb(error: Error) -> pb::ProtoError {
    let mut code = 0;
    let err_type = match &error {
        Error::Plain(_) => 0,
        Error::User(_) => 1,
        Error::Internal(_) => 2,
        Error::Coded { code: status, .. } => {
            code = i64::from(*status);
            3
        }
        Error::BadRequest(_) => 4,
        Error::UnsupportedOperation => 5,
        Error::UnsupportedPath => 6,
        Error::InvalidRequest => 7,
        Error::PermissionDenied => 8,
        Error::MultiAuthzPending => 9,
        Error::Unrecoverable => 10,
    };
    pb::ProtoError { err_type, err_msg: error.to_string(), err_code: code }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::translate::error_from_pb;

    #[test]
    fn every_error_has_its_number_and_survives_the_wire() {
        let rows = [
            (Error::Plain("cannot write to readonly storage".into()), 0, "cannot write to readonly storage", 0),
            (Error::User("a".into()), 1, "a", 0),
            (Error::Internal("b".into()), 2, "b", 0),
            (Error::Coded { code: 502, message: "c".into() }, 3, "c", 502),
            (Error::BadRequest("d".into()), 4, "d", 0),
            (Error::UnsupportedOperation, 5, "unsupported operation", 0),
            (Error::UnsupportedPath, 6, "unsupported path", 0),
            (Error::InvalidRequest, 7, "invalid request", 0),
            (Error::PermissionDenied, 8, "permission denied", 0),
            (Error::MultiAuthzPending, 9, "request needs further approval", 0),
            (Error::Unrecoverable, 10, "unrecoverable error", 0),
        ];
        for (error, err_type, text, code) in rows {
            let wire = error_into_pb(error.clone());
            let expected = pb::ProtoError { err_type, err_msg: text.into(), err_code: code };
            assert!(wire == expected, "{error:?}");
            assert_eq!(error_from_pb(wire), Some(error));
        }
        assert_eq!(error_from_pb(pb::ProtoError { err_type: 11, ..Default::default() }), None);
    }
}
