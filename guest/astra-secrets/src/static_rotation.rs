//! What happens to a static role's token: its rotation, by request or by schedule, and its end with the role.

mod due;
mod end;
mod rotate;
mod switch;
mod take_over;

pub(crate) use due::run_due;
pub(crate) use end::{delete, end_all, end_left, give_back, hand_back};
pub(crate) use rotate::rotate;
pub(crate) use take_over::take_over;
