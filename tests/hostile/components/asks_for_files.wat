;; Imports the filesystem.
(func $attack (result i32) (call $number (i64.extend_i32_u (call $directories))))
