//! The forms of texts in paths and queries, for the document alone: what is read checks them itself.

#![allow(dead_code)] // Only the schemas are used.

use utoipa::ToSchema;

/// The id of a user: up to 1024 bytes
#[derive(Debug, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 1024,
    pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]+$", example = "42")]
pub(super) struct UserName(String);

/// The id of a chat user
#[derive(Debug, ToSchema)]
#[schema(value_type = u64, minimum = 1, maximum = 9_223_372_036_854_775_806_u64, example = 42)]
pub(super) struct PersonNumber(u64);

/// The id of a message
#[derive(Debug, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 512,
    pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]+$", example = "order-17")]
pub(super) struct MessageName(String);

/// The name of a room
#[derive(Debug, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 100,
    pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]+$", example = "news")]
pub(super) struct RoomName(String);

/// The id of a session
#[derive(Debug, ToSchema)]
#[schema(value_type = String,
    pattern = "^[A-Za-z0-9_-]{1,64}(\\.(0|[1-9a-f][0-9a-f]{0,15})){2}$",
    example = "gw-1.18f3.3000000000001")]
pub(super) struct SessionName(String);

/// A session's topic
#[derive(Debug, ToSchema)]
#[schema(value_type = String,
    pattern = "^session:[A-Za-z0-9_-]{1,64}(\\.(0|[1-9a-f][0-9a-f]{0,15})){2}$",
    example = "session:gw-1.18f3.3000000000001")]
pub(super) struct SessionTopic(String);

/// A topic: `user:<id>`, `room:<name>`, `session:<id>` or `all`
#[derive(Debug, ToSchema)]
#[schema(value_type = String,
    pattern = "^(all|user:[^\\u0000-\\u001F\\u007F-\\u009F]{1,1024}|room:[^\\u0000-\\u001F\\u007F-\\u009F]{1,100}|session:[A-Za-z0-9_-]{1,64}(\\.(0|[1-9a-f][0-9a-f]{0,15})){2})$",
    example = "user:42")]
pub(super) struct TopicName(String);

/// A topic that can be followed: `user:<id>`, `room:<name>` or `session:<id>`
#[derive(Debug, ToSchema)]
#[schema(value_type = String,
    pattern = "^(user:[^\\u0000-\\u001F\\u007F-\\u009F]{1,1024}|room:[^\\u0000-\\u001F\\u007F-\\u009F]{1,100}|session:[A-Za-z0-9_-]{1,64}(\\.(0|[1-9a-f][0-9a-f]{0,15})){2})$",
    example = "user:42")]
pub(super) struct FollowedTopic(String);

/// What the steps of a message have in common
#[derive(Debug, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$", example = "9c1d0e6f3b2a4855")]
pub(super) struct TraceName(String);

/// Topics
#[derive(Debug, ToSchema)]
#[schema(min_items = 1, max_items = 1000)]
pub(super) struct TopicNames(Vec<TopicName>);

/// A dialect
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum DialectName {
    Ride,
    Im,
    Room,
    Live,
    Device,
}

/// Whether jobs are open or dead
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum JobState {
    Open,
    Dead,
}

/// How many there are before a page
#[derive(Debug, ToSchema)]
#[schema(value_type = String, pattern = "^(0|[1-9][0-9]{0,8})$", example = "100")]
pub(super) struct Offset(String);

/// A number
#[derive(Debug, ToSchema)]
#[schema(value_type = String, pattern = "^(0|[1-9][0-9]{0,15})$", example = "17")]
pub(super) struct Number(String);

/// The name of something that a webhook could not be told
#[derive(Debug, ToSchema)]
#[schema(value_type = String, pattern = "^(0|[1-9][0-9]{0,17})(-(0|[1-9][0-9]{0,17}))?$",
    example = "1700000000000-0")]
pub(super) struct DeadName(String);
