//! Bytes of memory that a request, or an answer, takes: what limits of waiting messages, shares of large ones and memory
//! accounts count. A limit that counted the data only would let the rest through.

use envelope::{Request, Response};

use crate::limits::TEXT_FRAME_BYTES;

/// The weight of a request.
#[must_use]
pub fn request_weight(request: &Request) -> usize {
    let internal_data = request.lease.as_ref().map_or(0, |lease| lease.internal_data.len());
    request.data.len() + request.path.len() + internal_data + listed(of_headers(&request.headers))
}

/// The weight of an answer.
pub(crate) fn response_weight(response: &Response) -> usize {
    let data = response.data.as_ref().map_or(0, String::len);
    let internal_data = response.secret.as_ref().map_or(0, |secret| secret.internal_data.len());
    data + internal_data + listed(&response.warnings) + listed(of_headers(&response.headers))
}

/// Each text of a list takes memory beside its bytes, so that a list of empty texts is not for nothing.
fn listed<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    texts.into_iter().map(|text| TEXT_FRAME_BYTES + text.len()).sum()
}

fn of_headers<'a>(
    headers: impl IntoIterator<Item = (&'a String, &'a Vec<String>)>,
) -> impl Iterator<Item = &'a String> {
    headers.into_iter().flat_map(|(name, values)| std::iter::once(name).chain(values))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use envelope::{Lease, Operation, Secret};

    use super::*;

    fn headers() -> std::collections::BTreeMap<String, Vec<String>> {
        [("name".to_owned(), vec![String::new(), "value".to_owned()])].into()
    }

    const OF_HEADERS: usize = 9 + 3 * TEXT_FRAME_BYTES;

    #[test]
    fn all_parts_of_a_request_have_a_weight() {
        let lease = Lease {
            id: None,
            issue_time: SystemTime::UNIX_EPOCH,
            ttl: Duration::ZERO,
            max_ttl: None,
            increment: None,
            renewable: true,
            internal_data: "x".repeat(1_000),
        };
        let request = Request::new(Operation::Renew, "path", "{}");
        assert_eq!(request_weight(&request), 6);
        let request = Request { lease: Some(lease), headers: headers(), ..request };
        assert_eq!(request_weight(&request), 1_006 + OF_HEADERS);
    }

    #[test]
    fn all_parts_of_an_answer_have_a_weight() {
        let secret = Secret { ttl: None, max_ttl: None, renewable: false, internal_data: "x".repeat(1_000) };
        let answer = Response { data: Some("{}".to_owned()), ..Response::default() };
        assert_eq!(response_weight(&answer), 2);
        let answer = Response { warnings: vec![String::new(); 10], ..answer };
        assert_eq!(response_weight(&answer), 2 + 10 * TEXT_FRAME_BYTES);
        let answer = Response { secret: Some(secret), headers: headers(), ..answer };
        assert_eq!(response_weight(&answer), 1_002 + 10 * TEXT_FRAME_BYTES + OF_HEADERS);
    }
}
