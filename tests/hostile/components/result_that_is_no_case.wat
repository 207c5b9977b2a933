;; Answers with a case that the contract does not have.
(func $attack (result i32) (i64.store (i32.const 2048) (i64.const 250)) (i32.const 2048))
