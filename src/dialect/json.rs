//! JSON as the dialects need it: objects whose keys are looked up once and whose values are passed
//! on as they came.
