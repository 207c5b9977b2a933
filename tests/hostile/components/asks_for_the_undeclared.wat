;; Imports an interface that no contract has.
(func $attack (result i32) (call $number (i64.extend_i32_u (call $secrets))))
