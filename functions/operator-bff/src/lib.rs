//! Backend for the control room.
