//! A test kit: given events, then the view.
