//! The places to find, as a tree of their keys: a scan compares a key once, however many places there are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Place;

/// The element of a place that stands for every element of a list.
const EACH: &str = "*";

/// The places that begin with the same keys.
#[derive(Default)]
pub(super) struct Node<'a> {
    /// Indexes of the places that end here.
    pub(super) ends: Rc<Vec<usize>>,
    /// May anything stand here?
    pub(super) is_open: bool,
    /// The number of the first declaration that has a place which ends here, leads through an object here, or through a list.
    end_rank: Option<usize>,
    object_rank: Option<usize>,
    list_rank: Option<usize>,
    /// A node has few keys, and a tree finds these faster than a hash map does.
    by_key: BTreeMap<Cow<'a, str>, Self>,
    each: Option<Box<Self>>,
}

impl<'a> Node<'a> {
    /// The tree of these places, of which those of earlier declarations come first.
    pub(super) fn new(places: &[Place<'a>], any_case: bool) -> Self {
        let mut root = Self::default();
        for (index, place) in places.iter().enumerate() {
            if root.is_taken(place, any_case) {
                continue;
            }
            let end = place.at.iter().fold(&mut root, |node, key| node.child(key, place.rank, any_case));
            Rc::make_mut(&mut end.ends).push(index);
            end.is_open |= place.is_open;
            end.end_rank.get_or_insert(place.rank);
        }
        root
    }

    /// Does an earlier declaration say something else of this place, or of what is around it or in it?
    fn is_taken(&self, place: &Place<'_>, any_case: bool) -> bool {
        let is_earlier = |rank: Option<usize>| rank.is_some_and(|rank| rank < place.rank);
        let mut node = self;
        for key in place.at {
            let is_each = key == EACH;
            let as_other_type = if is_each { node.object_rank } else { node.list_rank };
            if is_earlier(node.end_rank) || is_earlier(as_other_type) {
                return true;
            }
            let next = if is_each { node.each() } else { node.under(key, any_case) };
            let Some(next) = next else { return false };
            node = next;
        }
        [node.end_rank, node.object_rank, node.list_rank].into_iter().any(is_earlier)
    }

    fn child(&mut self, key: &'a str, rank: usize, any_case: bool) -> &mut Self {
        match key {
            EACH => {
                self.list_rank.get_or_insert(rank);
                self.each.get_or_insert_default()
            }
            _ => {
                self.object_rank.get_or_insert(rank);
                self.by_key.entry(spelled(key, any_case)).or_default()
            }
        }
    }

    /// The places in the value under a key of an object.
    pub(super) fn under(&self, key: &str, any_case: bool) -> Option<&Self> {
        if self.by_key.is_empty() { None } else { self.by_key.get(&*spelled(key, any_case)) }
    }

    /// The places in each element of a list.
    pub(super) fn each(&self) -> Option<&Self> {
        self.each.as_deref()
    }

    /// Does a place lead through an object here?
    pub(super) fn is_object(&self) -> bool {
        !self.by_key.is_empty()
    }

    /// Does a place lead through a list here?
    pub(super) fn is_list(&self) -> bool {
        self.each.is_some()
    }
}

fn spelled(key: &str, any_case: bool) -> Cow<'_, str> {
    if any_case { Cow::Owned(key.to_lowercase()) } else { Cow::Borrowed(key) }
}
