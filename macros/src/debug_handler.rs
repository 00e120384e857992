//! `#[debug_handler]`: what can be seen in the function's signature is said here. For the rest, each
//! condition becomes a check of its own, which the compiler reports at the place in question. The name of a type
//! may be an alias, or that of another type: so names only choose the words of an error, never whether there is one.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, ItemFn, Result, ReturnType, Signature, Type};

pub(crate) fn expand(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let checks = if arguments.is_empty() {
        syn::parse2::<ItemFn>(function.clone())
            .map_err(|error| Error::new(error.span(), "debug_handler belongs to a function"))
            .and_then(|function| checks(&function.sig))
    } else {
        Err(Error::new(
            arguments.span(),
            "debug_handler takes no arguments",
        ))
    };
    let checks = checks.unwrap_or_else(Error::into_compile_error);
    quote!(#function #checks)
}

fn checks(signature: &Signature) -> Result<TokenStream> {
    if let Some(generic) = signature
        .generics
        .params
        .iter()
        .find(|param| !matches!(param, syn::GenericParam::Lifetime(_)))
    {
        return Err(Error::new(
            generic.span(),
            "debug_handler cannot check a function with type parameters",
        ));
    }
    let (context, input) = arguments(signature)?;
    let output = output(signature)?;
    let name = &signature.ident;
    let call = Call { name };
    let mut checks = argument_checks(context, input);
    match output {
        Some(result) => {
            checks.push(pinned(result.span(), "result", quote!(#result)));
            checks.push(call.pinned("send"));
        }
        None => checks.extend([call.pinned("future"), call.pinned("send")]),
    }
    Ok(quote! {
        #[doc(hidden)]
        #[allow(unreachable_code, unused, clippy::all, clippy::pedantic)]
        const _: () = { #(#checks)* };
    })
}

/// The types of the two arguments.
fn arguments(signature: &Signature) -> Result<(&Type, &Type)> {
    let mut types = Vec::new();
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => {
                let text = "a method is not a handler: implement `rasynq::Handler` for its type, \
                            or wrap the method in a closure";
                return Err(Error::new(receiver.span(), text));
            }
            FnArg::Typed(argument) => types.push(&*argument.ty),
        }
    }
    let [context, input] = types[..] else {
        let span = match types.get(2) {
            Some(third) => third.span(),
            None => signature.paren_token.span.join(),
        };
        let text = format!(
            "a handler takes two arguments, the context and the task or its payload: \
             `{}(cx: TaskContext, task: Task)`",
            signature.ident
        );
        return Err(Error::new(span, text));
    };
    for argument in [context, input] {
        if matches!(argument, Type::Reference(_)) {
            let text = "a handler owns its arguments: remove the `&`";
            return Err(Error::new(argument.span(), text));
        }
        if let Some(span) = borrowed(argument.to_token_stream()) {
            let text = "a handler owns its arguments: a payload with borrowed fields can be \
                        enqueued, but not handled";
            return Err(Error::new(span, text));
        }
    }
    Ok((context, input))
}

/// What an async function returns. `None`: it is a plain function, which should return a future.
fn output(signature: &Signature) -> Result<Option<Type>> {
    let returned = match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, returned) => Some(&**returned),
    };
    if signature.asyncness.is_some() {
        let unit = || syn::parse_quote_spanned!(signature.ident.span()=> ());
        return Ok(Some(returned.cloned().unwrap_or_else(unit)));
    }
    let is_result = returned.is_none_or(|returned| {
        matches!(returned, Type::Tuple(_))
            || last_segment(returned).is_some_and(|name| name == "Result")
    });
    if is_result {
        let text = format!(
            "a handler is an `async fn`; `rasynq::blocking({})` makes a handler of a function that blocks",
            signature.ident
        );
        return Err(Error::new(signature.fn_token.span, text));
    }
    Ok(None)
}

/// The first argument is the context. The second one is a `Task`, which is not decoded, or a payload: a `TaskKind`
/// that its codec can read.
fn argument_checks(context: &Type, input: &Type) -> Vec<TokenStream> {
    let is_named = |argument, name: &str| last_segment(argument).is_some_and(|it| it == name);
    let span = context.span();
    if is_named(input, "TaskContext") && !is_named(context, "TaskContext") {
        return vec![pinned(span, "ordered", quote!(#context))];
    }
    let check = match is_named(input, "Task") {
        true => "check_task",
        false => "check_payload",
    };
    let (span, check) = (input.span(), proc_macro2::Ident::new(check, input.span()));
    vec![
        pinned(context.span(), "context", quote!(#context)),
        quote_spanned! {span=>
            const _: fn() = || {
                use ::rasynq::marker::check::Payload as _;
                ::rasynq::marker::check::Input::<#input>::NEW.#check()
            };
        },
    ]
}

/// A function that compiles if the check accepts the types. If not, the error is at the span.
fn pinned(span: Span, check: &str, types: TokenStream) -> TokenStream {
    let check = proc_macro2::Ident::new(check, span);
    // All of the call has the span: the compiler chooses the part that it shows.
    quote_spanned!(span=> const _: fn() = || ::rasynq::marker::check::#check::<#types>();)
}

/// A call of the handler that never happens.
struct Call<'s> {
    name: &'s proc_macro2::Ident,
}

impl Call<'_> {
    fn pinned(&self, check: &str) -> TokenStream {
        let name = self.name;
        let check = proc_macro2::Ident::new(check, name.span());
        quote_spanned! {name.span()=>
            const _: fn() = || {
                fn never<T>() -> T {
                    ::core::unreachable!()
                }
                ::rasynq::marker::check::#check(#name(never(), never()))
            };
        }
    }
}

/// The name of a type without its path.
fn last_segment(named: &Type) -> Option<&proc_macro2::Ident> {
    match named {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

/// The first lifetime in a type, other than `'static`.
fn borrowed(tokens: TokenStream) -> Option<Span> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (&token, tokens.peek()) {
            (TokenTree::Punct(quote), Some(TokenTree::Ident(name)))
                if quote.as_char() == '\'' && name != "static" =>
            {
                return Some(name.span());
            }
            (TokenTree::Group(group), _) => {
                if let Some(span) = borrowed(group.stream()) {
                    return Some(span);
                }
            }
            _ => {}
        }
    }
    None
}
