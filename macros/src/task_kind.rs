//! `#[derive(TaskKind)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Data, DeriveInput, Error, LitInt, LitStr, Result, Type};

use crate::duration;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// The shortest and the longest TTL of a unique lock: a second, and 100 years of 365 days.
const UNIQUE_SECS: std::ops::RangeInclusive<u64> = 1..=100 * 365 * 24 * 60 * 60;

/// What `#[task(…)]` says.
#[derive(Default)]
struct Attribute {
    /// The keys so far.
    keys: Vec<String>,
    task_type: Option<LitStr>,
    codec: Option<Type>,
    /// Expressions of `TaskOption`s.
    options: Vec<TokenStream>,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    if let Some(misplaced) = misplaced(&input.data) {
        let text = "#[task(…)] belongs to the type, not to a part of it";
        return Err(Error::new_spanned(misplaced, text));
    }
    let mut attribute = Attribute::default();
    for attr in input.attrs.iter().filter(|attr| is_task(attr)) {
        attr.parse_nested_meta(|meta| attribute.read(&meta))?;
    }
    let Attribute {
        task_type,
        codec,
        options,
        ..
    } = attribute;
    let Some(task_type) = task_type else {
        return Err(Error::new(
            input.ident.span(),
            "the task type is missing: add #[task(type = \"…\")]",
        ));
    };
    let codec = match codec {
        Some(codec) => quote!(#codec),
        None => quote!(::rasynq::Json),
    };
    let options = (!options.is_empty()).then(|| {
        quote! {
            fn options() -> ::std::vec::Vec<::rasynq::TaskOption> {
                ::std::vec![#(#options),*]
            }
        }
    });
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics ::rasynq::TaskKind<#codec> for #name #type_generics #where_clause {
            const TYPE: &'static str = #task_type;
            #options
        }
    })
}

fn is_task(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("task")
}

/// The first `#[task(…)]` on a field or a variant.
fn misplaced(data: &Data) -> Option<&syn::Attribute> {
    let (variants, fields): (Vec<_>, Vec<_>) = match data {
        Data::Struct(data) => (Vec::new(), data.fields.iter().collect()),
        Data::Union(data) => (Vec::new(), data.fields.named.iter().collect()),
        Data::Enum(data) => {
            let fields = data.variants.iter().flat_map(|variant| &variant.fields);
            (data.variants.iter().collect(), fields.collect())
        }
    };
    let of_variants = variants.into_iter().flat_map(|variant| &variant.attrs);
    let of_fields = fields.into_iter().flat_map(|field| &field.attrs);
    of_variants
        .chain(of_fields)
        .find(|attribute| is_task(attribute))
}

impl Attribute {
    /// Reads one key and its value.
    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(key) = meta.path.get_ident().map(ToString::to_string) else {
            return Err(meta.error(unknown()));
        };
        if self.keys.contains(&key) {
            return Err(meta.error(format!("`{key}` is given twice")));
        }
        match key.as_str() {
            "type" => self.task_type = Some(text(meta, "the task type")?),
            "queue" => {
                let name = text(meta, "the name of the queue")?;
                self.option(quote!(Queue(#name.into())));
            }
            "max_retry" => {
                let number: LitInt = meta.value()?.parse().map_err(|error| {
                    Error::new(error.span(), "expected a number, such as max_retry = 5")
                })?;
                let value: u32 = number
                    .base10_parse()
                    .ok()
                    .filter(|value| i32::try_from(*value).is_ok())
                    .ok_or_else(|| {
                        Error::new(
                            number.span(),
                            "a max_retry is a number from 0 to 2147483647",
                        )
                    })?;
                self.option(quote!(MaxRetry(#value)));
            }
            "timeout" => {
                let (limit, _) = positive(meta, &key)?;
                self.option(quote!(Timeout(#limit)));
            }
            "retention" => {
                let (keep, _) = positive(meta, &key)?;
                self.option(quote!(Retention(#keep)));
            }
            "unique" => {
                let (ttl, (nanos, span)) = positive(meta, &key)?;
                let secs = nanos / NANOS_PER_SEC;
                if !UNIQUE_SECS.contains(&secs)
                    || secs == *UNIQUE_SECS.end() && nanos % NANOS_PER_SEC > 0
                {
                    let text =
                        "the TTL of a unique lock is at least 1 second and at most 100 years";
                    return Err(Error::new(span, text));
                }
                self.option(quote!(Unique(#ttl)));
            }
            "codec" => self.codec = Some(meta.value()?.parse()?),
            _ => return Err(meta.error(unknown())),
        }
        self.keys.push(key);
        Ok(())
    }

    fn option(&mut self, variant: TokenStream) {
        self.options.push(quote!(::rasynq::TaskOption::#variant));
    }
}

fn unknown() -> &'static str {
    "unknown key: expected type, queue, max_retry, timeout, unique, retention or codec"
}

/// The text behind `=`. It must not be blank.
fn text(meta: &ParseNestedMeta<'_>, what: &str) -> Result<LitStr> {
    let literal = literal(meta, &format!("expected a text: {what}"))?;
    if literal.value().trim().is_empty() {
        return Err(Error::new(literal.span(), format!("{what} is blank")));
    }
    Ok(literal)
}

fn literal(meta: &ParseNestedMeta<'_>, expected: &str) -> Result<LitStr> {
    let value = meta.value()?;
    value
        .parse()
        .map_err(|error| Error::new(error.span(), expected))
}

/// The duration behind `=`, as an expression and in nanoseconds. It must not be zero, which is the same
/// as none.
fn positive(meta: &ParseNestedMeta<'_>, key: &str) -> Result<(TokenStream, (u64, Span))> {
    let literal = literal(
        meta,
        &format!("expected a duration as a text, such as {key} = \"10m\""),
    )?;
    let span = literal.span();
    let nanos = duration::parse(&literal.value()).map_err(|text| Error::new(span, text))?;
    if nanos == 0 {
        return Err(Error::new(
            span,
            format!("a {key} of zero is none: leave it out"),
        ));
    }
    Ok((
        quote!(::std::time::Duration::from_nanos(#nanos)),
        (nanos, span),
    ))
}
