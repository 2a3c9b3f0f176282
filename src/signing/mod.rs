//! Request signing: canonical string and HMAC to header instructions. Pure; time is an argument.
