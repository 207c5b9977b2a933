;; Answers with an address that is not there.
(func $attack (result i32) (i32.const -16))
