;; Answers with 2 GiB that it does not have.
(func $attack (result i32) (call $bytes (i32.const 0) (i32.const 0x7fffffff)))
